//! The settings of rotary frequencies in `config.json`: `rope_scaling` in older files, `rope_parameters` in
//! newer ones.

use serde::Deserialize;

use super::parts::RotaryScaling;

/// Scaling of the rotary frequencies for texts longer than those of pre-training, with the names in
/// `config.json`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(try_from = "Raw")]
#[allow(missing_docs)] // The names are Hugging Face's own.
pub(crate) struct RopeKeys {
    /// Called `type` in older files; some files have both.
    pub rope_type: Option<String>,
    pub rope_theta: Option<f64>,
    pub factor: Option<f64>,
    pub low_freq_factor: Option<f64>,
    pub high_freq_factor: Option<f64>,
    pub original_max_position_embeddings: Option<usize>,
    pub partial_rotary_factor: Option<f64>,
}

/// [`RopeKeys`] as it stands in a file.
#[derive(Deserialize)]
struct Raw {
    rope_type: Option<String>,
    r#type: Option<String>,
    rope_theta: Option<f64>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<usize>,
    partial_rotary_factor: Option<f64>,
}

impl TryFrom<Raw> for RopeKeys {
    type Error = String;

    fn try_from(raw: Raw) -> Result<Self, String> {
        let rope_type = match (raw.rope_type, raw.r#type) {
            (Some(newer), Some(older)) if newer != older => {
                return Err(format!(
                    "rope_type = {newer:?} and type = {older:?} contradict each other"
                ));
            }
            (newer, older) => newer.or(older),
        };
        Ok(Self {
            rope_type,
            rope_theta: raw.rope_theta,
            factor: raw.factor,
            low_freq_factor: raw.low_freq_factor,
            high_freq_factor: raw.high_freq_factor,
            original_max_position_embeddings: raw.original_max_position_embeddings,
            partial_rotary_factor: raw.partial_rotary_factor,
        })
    }
}

impl RopeKeys {
    /// Merges the keys of two parts of a file.
    ///
    /// # Errors
    ///
    /// A sentence about the first key that has two different values.
    pub(crate) fn joined(&self, other: &Self) -> Result<Self, String> {
        fn one<T: Clone + PartialEq + std::fmt::Debug>(
            key: &str,
            first: &Option<T>,
            second: &Option<T>,
        ) -> Result<Option<T>, String> {
            match (first, second) {
                (Some(first), Some(second)) if first != second => Err(format!(
                    "rope_theta, rope_scaling and rope_parameters contradict each other: {key} is \
                     {first:?} and {second:?}"
                )),
                _ => Ok(first.as_ref().or(second.as_ref()).cloned()),
            }
        }
        macro_rules! joined {
            ($($key:ident),*) => {
                Self { $($key: one(stringify!($key), &self.$key, &other.$key)?),* }
            };
        }
        Ok(joined!(
            rope_type,
            rope_theta,
            factor,
            low_freq_factor,
            high_freq_factor,
            original_max_position_embeddings,
            partial_rotary_factor
        ))
    }

    /// Base of the frequencies, `default` if none is given.
    ///
    /// # Errors
    ///
    /// A sentence about a base that is not a positive number.
    pub(crate) fn base(&self, default: f64) -> Result<f64, String> {
        positive("rope_theta", self.rope_theta.unwrap_or(default))
    }

    /// Scaling of the frequencies.
    ///
    /// # Errors
    ///
    /// A sentence about a parameter that is missing or not a positive number.
    pub(crate) fn scaling(&self) -> Result<RotaryScaling, String> {
        match self.rope_type.as_deref() {
            Some("linear") => {
                let [factor] = required("linear", [("factor", self.factor)])?;
                Ok(RotaryScaling::Linear { factor })
            }
            Some("llama3") => {
                let original = self.original_max_position_embeddings.map(|n| n as f64);
                let parameters = [
                    ("factor", self.factor),
                    ("low_freq_factor", self.low_freq_factor),
                    ("high_freq_factor", self.high_freq_factor),
                    ("original_max_position_embeddings", original),
                ];
                let [factor, low, high, original] = required("llama3", parameters)?;
                if high <= low {
                    return Err(format!(
                        "high_freq_factor = {high} of rope_type llama3 must be above low_freq_factor = \
                         {low}"
                    ));
                }
                Ok(RotaryScaling::Llama3 {
                    factor,
                    low,
                    high,
                    original,
                })
            }
            None if self.factor.is_some() => Err(
                "rope_scaling has a factor, but no rope_type that says what it does".to_string(),
            ),
            _ => Ok(RotaryScaling::None),
        }
    }
}

/// All parameters of a scaling kind.
fn required<const N: usize>(
    kind: &str,
    parameters: [(&str, Option<f64>); N],
) -> Result<[f64; N], String> {
    let missing = parameters.iter().filter(|(_, value)| value.is_none());
    let missing: Vec<&str> = missing.map(|(key, _)| *key).collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return Err(format!("rope_type {kind} lacks {missing}"));
    }
    let mut values = [0.0; N];
    for (place, (key, value)) in values.iter_mut().zip(parameters) {
        *place = positive(key, value.unwrap_or_default())?;
    }
    Ok(values)
}

fn positive(key: &str, value: f64) -> Result<f64, String> {
    match value.is_finite() && value > 0.0 {
        true => Ok(value),
        false => Err(format!("{key} = {value}; it must be a positive number")),
    }
}
