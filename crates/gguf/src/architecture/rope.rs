//! Rotary embeddings: base and scaling of the frequencies.

use serde_json::{Map, Value as Json, json};

use super::keys::{Keys, shortest};
use super::sizes::Sizes;
use crate::error::GgufError;

/// Base of the frequencies if a file names none, as in llama.cpp.
const BASE: f64 = 10_000.0;
/// Factors of the frequencies of Llama 3, by which they are divided.
const FACTORS: &str = "rope_freqs.weight";
/// Factors of long and of short texts, which the architecture that has them reads.
pub(super) const LONG: &str = "rope_factors_long.weight";
pub(super) const SHORT: &str = "rope_factors_short.weight";
/// Tensors that settings are read from.
pub(super) const TENSORS: [&str; 3] = [FACTORS, LONG, SHORT];
/// Llama 3's bounds, as parts of the length of texts in pre-training. The converter only keeps the factors that
/// follow from them; all published models have these values, and another file is noticed by its factors.
const LOW: f64 = 1.0;
const HIGH: f64 = 4.0;
const PRE_TRAINING: f64 = 8192.0;
/// The converter computes the factors in f32 over several operations; other bounds differ in the second digit.
const TOLERANCE: f64 = 1e-4;

/// Takes the settings and sets `rope_theta` and, unless the architecture did, `rope_scaling`.
pub(super) fn settings(
    keys: &mut Keys<'_>,
    sizes: &Sizes,
    config: &mut Map<String, Json>,
) -> Result<(), GgufError> {
    let base = keys.number("rope.freq_base")?.unwrap_or(BASE);
    config.insert("rope_theta".to_string(), json!(base));
    let rotated = keys.count("rope.dimension_count")?;
    if let Some(rotated) = rotated.filter(|rotated| *rotated != sizes.head_width) {
        let reason = format!(
            "{rotated} of {} dimensions of a head are rotated, but transformers rotates all of them",
            sizes.head_width
        );
        return Err(keys.error("rope.dimension_count", reason));
    }
    // Says how the model was trained; it changes no number.
    keys.flag("rope.scaling.finetuned")?;
    let done = config.contains_key("rope_scaling");
    let scaling = scaling(keys, base, sizes.head_width, done)?;
    config.entry("rope_scaling").or_insert(scaling);
    Ok(())
}

/// The scaling; if it is `done`, there must be no other one.
fn scaling(keys: &mut Keys<'_>, base: f64, rotated: u64, done: bool) -> Result<Json, GgufError> {
    let kind = keys.text("rope.scaling.type")?.unwrap_or("none");
    let named = TENSORS.map(|name| keys.file().tensor_info(name).is_some());
    match (kind, named) {
        ("none", [false, _, _]) if done => Ok(Json::Null),
        ("none", [false, false, false]) => Ok(Json::Null),
        ("none", [true, false, false]) if !done => llama3(keys, base, rotated),
        ("linear", [false, false, false]) if !done => {
            Ok(json!({"rope_type": "linear", "factor": factor(keys)?}))
        }
        ("yarn", [false, false, false]) if !done => {
            let original = "rope.scaling.original_context_length";
            Ok(json!({
                "rope_type": "yarn",
                "factor": factor(keys)?,
                "original_max_position_embeddings": keys.size(original)?,
            }))
        }
        _ => {
            let found = TENSORS.into_iter().zip(named);
            let found = found.filter(|(_, found)| *found).map(|(name, _)| name);
            let found: Vec<&str> = [kind].into_iter().chain(found).collect();
            let supported =
                "one of none, linear, yarn and rope_freqs.weight; for phi3, its factors";
            Err(GgufError::unsupported(
                keys.path(),
                "scaling of rotary embeddings",
                &found.join(" with "),
                supported,
            ))
        }
    }
}

fn factor(keys: &mut Keys<'_>) -> Result<f64, GgufError> {
    match keys.number("rope.scaling.factor")? {
        Some(factor) if factor > 0.0 => Ok(factor),
        Some(other) => Err(keys.error("rope.scaling.factor", format!("{other} must be positive"))),
        None => Err(keys.error("rope.scaling.factor", "it is missing")),
    }
}

/// Factors of the frequencies of a head with so many rotated dimensions; `None` if the file has none of that name.
pub(super) fn factors(
    keys: &Keys<'_>,
    name: &str,
    rotated: u64,
) -> Result<Option<Vec<f64>>, GgufError> {
    let Some(info) = keys.file().tensor_info(name) else {
        return Ok(None);
    };
    // Checked before they are read: two dimensions share a frequency.
    if info.elements() as u64 != rotated / 2 {
        let reason = format!(
            "{} factors, but {rotated} rotated dimensions",
            info.elements()
        );
        return Err(GgufError::tensor(keys.path(), name, reason));
    }
    let factors = keys.file().tensor(name)?.values.into_iter();
    Ok(Some(factors.map(shortest).collect()))
}

/// Llama 3's scaling from its factors: 1 for high frequencies, the factor itself for low ones, and between them what
/// is computed from the bounds.
///
/// # References
///
/// `_compute_llama3_parameters` in `modeling_rope_utils.py` of transformers.
fn llama3(keys: &Keys<'_>, base: f64, rotated: u64) -> Result<Json, GgufError> {
    let factors = factors(keys, FACTORS, rotated)?.unwrap_or_default();
    let factor = factors.last().copied().unwrap_or(1.0);
    let count = factors.len() as f64;
    let agrees = |(index, found): (usize, &f64)| {
        let wavelength = 2.0 * std::f64::consts::PI * base.powf(index as f64 / count);
        let share = (PRE_TRAINING / wavelength - LOW) / (HIGH - LOW);
        let expected = 1.0 / ((1.0 - share.clamp(0.0, 1.0)) / factor + share.clamp(0.0, 1.0));
        (found - expected).abs() <= TOLERANCE * expected
    };
    if !(factor.is_finite() && factor > 0.0 && factors.iter().enumerate().all(agrees)) {
        let reason = format!(
            "its factors are not those of Llama 3 (factor {factor}, bounds {LOW} and {HIGH}, {PRE_TRAINING} tokens), \
             and config.json has no other way to say them"
        );
        return Err(GgufError::tensor(keys.path(), FACTORS, reason));
    }
    Ok(json!({
        "rope_type": "llama3",
        "factor": factor,
        "low_freq_factor": LOW,
        "high_freq_factor": HIGH,
        "original_max_position_embeddings": PRE_TRAINING as u64,
    }))
}
