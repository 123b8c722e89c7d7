//! Phi-3 and Phi-4.

use serde_json::{Map, Value as Json, json};

use crate::architecture::Architecture;
use crate::architecture::keys::Keys;
use crate::architecture::names::{FUSED_PROJECTIONS, NORMS_BEFORE};
use crate::architecture::rope::{LONG, SHORT, factors};
use crate::architecture::sizes::Sizes;
use crate::error::GgufError;

pub(super) const PHI3: Architecture = Architecture {
    name: "phi3",
    class: "Phi3ForCausalLM",
    model_type: "phi3",
    layer: &[NORMS_BEFORE, FUSED_PROJECTIONS],
    interleaved: false,
    norms_plus_one: false,
    complete,
};

fn complete(
    keys: &mut Keys<'_>,
    sizes: &Sizes,
    config: &mut Map<String, Json>,
) -> Result<(), GgufError> {
    // 0 stands for a model without a window.
    let window = keys.count("attention.sliding_window")?.filter(|w| *w > 0);
    let original = keys
        .count("rope.scaling.original_context_length")?
        .unwrap_or(sizes.context);
    if let Some(found) = keys.number("rope.scaling.attn_factor")? {
        check_attention_factor(keys, found, sizes.context, original)?;
    }
    let rotated = rotated(keys, sizes)?;
    let (long, short) = (
        factors(keys, LONG, rotated)?,
        factors(keys, SHORT, rotated)?,
    );
    let scaling = match (long, short) {
        (None, None) => Json::Null,
        (Some(long), Some(short)) => {
            json!({"type": "longrope", "long_factor": long, "short_factor": short})
        }
        (long, _) => {
            let missing = if long.is_none() { LONG } else { SHORT };
            let reason = "it is missing; the file only has the factors of the other lengths";
            return Err(GgufError::tensor(keys.path(), missing, reason));
        }
    };
    let mut set = |key: &str, value: Json| {
        config.insert(key.to_string(), value);
    };
    let share = rotated as f64 / sizes.head_width as f64;
    set("partial_rotary_factor", json!(share));
    set("rope_scaling", scaling);
    set("original_max_position_embeddings", json!(original));
    set("sliding_window", json!(window));
    Ok(())
}

/// How many dimensions of a head are rotated.
fn rotated(keys: &mut Keys<'_>, sizes: &Sizes) -> Result<u64, GgufError> {
    let width = sizes.head_width;
    let rotated = keys.count("rope.dimension_count")?.unwrap_or(width);
    match (2..=width).contains(&rotated) && rotated % 2 == 0 {
        true => Ok(rotated),
        false => {
            let reason = format!("{rotated} of {width} dimensions of a head cannot be rotated");
            Err(keys.error("rope.dimension_count", reason))
        }
    }
}

/// transformers computes by which factor attention grows on long texts: refuses a file that names another one.
///
/// # References
///
/// `_compute_longrope_parameters` in `modeling_rope_utils.py` of transformers.
fn check_attention_factor(
    keys: &Keys<'_>,
    found: f64,
    context: u64,
    original: u64,
) -> Result<(), GgufError> {
    let scale = context as f64 / original as f64;
    let expected = match scale > 1.0 {
        true => (1.0 + scale.ln() / (original as f64).ln()).sqrt(),
        false => 1.0,
    };
    // Rounded to f32 by the converter.
    match (found - expected).abs() < 1e-6 * expected {
        true => Ok(()),
        false => {
            let reason = format!("{found} is not what transformers computes, {expected}");
            Err(keys.error("rope.scaling.attn_factor", reason))
        }
    }
}
