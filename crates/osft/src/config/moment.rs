//! How the second moment of a layer's inputs is summed, and read.

use serde::{Deserialize, Serialize};

use super::{Combine, Conflict, OsftConfig, SplitSource};
use crate::error::OsftError;

/// How the second moment `Σ` of a layer's inputs is summed over tokens, and what its spectrum is taken from.
///
/// The default is the plain mean of `xᵀ x` over all tokens. What is summed in another way is also measured in
/// that way: leaks and output changes are then those of the tokens that were summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MomentConfig {
    /// Number of first tokens of every row that are left out of `Σ`. The direction of their mean input, one per
    /// position and source, is added to the protected directions exactly; what single first tokens have beside it
    /// is not protected.
    ///
    /// A language model pours attention that it needs nowhere else on its first token, whose inputs are then
    /// so large that they alone fill the energy which a rule protects.
    ///
    /// # References
    ///
    /// Xiao et al., "Efficient Streaming Language Models with Attention Sinks", ICLR 2024; Sun et al.,
    /// "Massive Activations in Large Language Models", COLM 2024.
    #[serde(skip_serializing_if = "is_zero")]
    pub skip_first: usize,
    /// The length that the input of every token is given before it is summed.
    #[serde(skip_serializing_if = "TokenLength::is_own")]
    pub tokens: TokenLength,
    /// How far the spectrum is moved towards equal eigenvalues before it is read.
    #[serde(skip_serializing_if = "Shrinkage::is_none")]
    pub shrinkage: Shrinkage,
}

/// The length that the input `x` of every token is given before it is summed. An input of zeros stays zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenLength {
    /// As it is: long inputs count more, by the square of their length.
    #[default]
    Own,
    /// `x / ‖x‖`: every token counts the same, and every source has the same energy.
    Unit,
    /// `x / ‖x‖` times the mean length of the source's tokens: within a source every token counts the same,
    /// and a source of longer inputs still has more energy than another one.
    Mean,
}

impl TokenLength {
    pub(crate) fn is_own(&self) -> bool {
        *self == Self::Own
    }

    /// Name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Unit => "unit",
            Self::Mean => "mean",
        }
    }
}

/// Moves the eigenvalues of `Σ` towards their mean before a rule or a scaling reads them:
/// `(1 - ρ) Σ + ρ tr(Σ)/d · I`.
///
/// The eigenvectors stay, and so does `tr(Σ)`. With [`Scaling::Hard`](crate::Scaling::Hard), it therefore changes
/// how many directions a rule that reads energies protects, and nothing else; the other scalings also read the
/// moved eigenvalues. Leaks and output changes are measured with `Σ` itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Shrinkage {
    /// The eigenvalues as they are, `ρ = 0`.
    #[default]
    None,
    /// A given `ρ`, in `[0, 1]`.
    Weight(f64),
    /// The `ρ` that minimizes the expected error of the sum for independent tokens:
    /// `ρ = min(1, b² / ‖Σ - tr(Σ)/d · I‖²)` with `b² = (Σ_t ‖x_t‖⁴ - n ‖Σ‖²) / n²` over the `n` tokens of a
    /// source. Sources are independent, so that their mean with weights `w_s` has `b² = Σ_s w_s² b_s²`.
    /// Tokens of one text are not independent: then this `ρ` is too small.
    ///
    /// # References
    ///
    /// Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", Journal of
    /// Multivariate Analysis 88, 2004, section 3.3; of the second moment instead of the covariance.
    LedoitWolf,
}

impl Shrinkage {
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// How settings write it: `none`, `ledoit_wolf`, or the weight.
    pub fn label(self) -> String {
        match self {
            Self::None => NONE.to_string(),
            Self::Weight(weight) => weight.to_string(),
            Self::LedoitWolf => LEDOIT_WOLF.to_string(),
        }
    }
}

const NONE: &str = "none";
const LEDOIT_WOLF: &str = "ledoit_wolf";

/// What settings hold: a name or a weight.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Weight(f64),
    Name(String),
}

impl Serialize for Shrinkage {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = match self {
            Self::Weight(weight) => Written::Weight(*weight),
            other => Written::Name(other.label()),
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Shrinkage {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = |found: &dyn std::fmt::Display| {
            serde::de::Error::custom(format!(
                "expected {NONE:?}, {LEDOIT_WOLF:?} or a weight from 0 to 1, found {found}"
            ))
        };
        match Written::deserialize(deserializer) {
            Ok(Written::Weight(weight)) => Ok(Self::Weight(weight)),
            Ok(Written::Name(name)) if name == NONE => Ok(Self::None),
            Ok(Written::Name(name)) if name == LEDOIT_WOLF => Ok(Self::LedoitWolf),
            Ok(Written::Name(name)) => Err(wrong(&format!("{name:?}"))),
            Err(_) => Err(wrong(&"something else")),
        }
    }
}

// The signature that serde asks for.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl MomentConfig {
    /// Leaves the first tokens of every row out of the moment, and protects their mean directions.
    pub fn with_skip_first(mut self, tokens: usize) -> Self {
        self.skip_first = tokens;
        self
    }

    /// Gives the input of every token this length.
    pub fn with_tokens(mut self, tokens: TokenLength) -> Self {
        self.tokens = tokens;
        self
    }

    /// Moves the eigenvalues towards their mean.
    pub fn with_shrinkage(mut self, shrinkage: Shrinkage) -> Self {
        self.shrinkage = shrinkage;
        self
    }

    /// Whether everything is as by default.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// What of it decides what a calibration measures: a given weight of the shrinkage is only read later.
    pub(crate) fn measured(self) -> Self {
        match self.shrinkage {
            Shrinkage::LedoitWolf => self,
            Shrinkage::None | Shrinkage::Weight(_) => self.with_shrinkage(Shrinkage::None),
        }
    }

    /// Such as `skip_first = 1, tokens = "unit"`, for messages; `the plain sum over all tokens` by default.
    pub(crate) fn described(&self) -> String {
        let skipped = (self.skip_first > 0).then(|| format!("skip_first = {}", self.skip_first));
        let tokens = (!self.tokens.is_own()).then(|| format!("tokens = {:?}", self.tokens.name()));
        let shrinkage = (!self.shrinkage.is_none())
            .then(|| format!("shrinkage = {:?}", self.shrinkage.label()));
        let parts: Vec<String> = [skipped, tokens, shrinkage].into_iter().flatten().collect();
        match parts.is_empty() {
            true => "the plain sum over all tokens".to_string(),
            false => parts.join(", "),
        }
    }

    /// # Errors
    ///
    /// [`OsftError::InvalidShrinkage`] for a weight outside `[0, 1]`.
    pub(super) fn validate(&self) -> Result<(), OsftError> {
        match self.shrinkage {
            Shrinkage::Weight(weight) if !(0.0..=1.0).contains(&weight) => {
                Err(OsftError::InvalidShrinkage { weight })
            }
            _ => Ok(()),
        }
    }
}

/// Settings of the moment that exclude others of a configuration.
pub(super) fn conflicts(config: &OsftConfig) -> [Option<Conflict>; 4] {
    let moment = &config.moment;
    let conflict = |wrong: bool, setting: &str, other: &str, cure| {
        wrong.then(|| Conflict {
            setting: format!("moment.{setting}"),
            other: other.to_string(),
            cure,
        })
    };
    let inputs = config.split == SplitSource::Inputs;
    [
        conflict(
            moment.skip_first > 0 && !inputs,
            "skip_first",
            "another source than `inputs`",
            "first tokens have directions of inputs alone; set split = \"inputs\"",
        ),
        conflict(
            !moment.tokens.is_own() && !config.split.needs_calibration(),
            "tokens",
            "split = \"weights\"",
            "that split reads no inputs; leave it out, or set split = \"inputs\"",
        ),
        conflict(
            !moment.shrinkage.is_none() && !inputs,
            "shrinkage",
            "another source than `inputs`",
            "it moves the eigenvalues of the inputs alone; set split = \"inputs\"",
        ),
        conflict(
            !moment.shrinkage.is_none() && config.combine == Combine::Union,
            "shrinkage",
            "combine = \"union\"",
            "united directions have no eigenvalues; set combine = \"mean\"",
        ),
    ]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_written_as_they_are_read_and_defaults_not_at_all() {
        let json = |moment: &MomentConfig| serde_json::to_string(moment).unwrap();
        assert_eq!(json(&MomentConfig::default()), "{}");
        let all = MomentConfig::default()
            .with_skip_first(2)
            .with_tokens(TokenLength::Mean);
        for (shrinkage, written) in [
            (Shrinkage::LedoitWolf, r#""ledoit_wolf""#),
            (Shrinkage::Weight(0.25), "0.25"),
        ] {
            let all = all.with_shrinkage(shrinkage);
            let text = format!(r#"{{"skip_first":2,"tokens":"mean","shrinkage":{written}}}"#);
            assert_eq!(json(&all), text);
            assert_eq!(serde_json::from_str::<MomentConfig>(&text).unwrap(), all);
        }
        for wrong in [r#""wolf""#, "true", "[]"] {
            let text = format!(r#"{{"shrinkage":{wrong}}}"#);
            let error = serde_json::from_str::<MomentConfig>(&text).unwrap_err();
            assert!(error.to_string().contains("ledoit_wolf"), "{error}");
        }
    }

    #[test]
    fn what_excludes_each_other_is_refused() {
        let moment = MomentConfig::default();
        let inputs = OsftConfig::new().with_split(SplitSource::Inputs);
        let skips = moment.with_skip_first(1);
        let shrinks = moment.with_shrinkage(Shrinkage::Weight(0.5));
        let unit = moment.with_tokens(TokenLength::Unit);
        for moment in [skips, shrinks, unit] {
            inputs.clone().with_moment(moment).validate().unwrap();
            let error = OsftConfig::new().with_moment(moment).validate();
            assert!(matches!(error, Err(OsftError::NotTogether { .. })));
        }
        let union = inputs.clone().with_combine(Combine::Union);
        union.clone().with_moment(skips).validate().unwrap();
        let error = union.with_moment(shrinks).validate().unwrap_err();
        assert!(error.to_string().contains("moment.shrinkage"), "{error}");
        for weight in [-0.1, 1.5, f64::NAN] {
            let shrinks = moment.with_shrinkage(Shrinkage::Weight(weight));
            let error = inputs.clone().with_moment(shrinks).validate().unwrap_err();
            assert!(matches!(error, OsftError::InvalidShrinkage { .. }));
        }
    }
}
