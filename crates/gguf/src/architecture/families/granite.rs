//! Granite.

use serde_json::{Map, Value as Json, json};

use crate::architecture::Architecture;
use crate::architecture::keys::Keys;
use crate::architecture::names::{NORMS_BEFORE, PROJECTIONS};
use crate::architecture::sizes::Sizes;
use crate::error::GgufError;

pub(super) const GRANITE: Architecture = Architecture {
    name: "granite",
    class: "GraniteForCausalLM",
    model_type: "granite",
    layer: &[NORMS_BEFORE, PROJECTIONS],
    interleaved: true,
    norms_plus_one: false,
    complete,
};

/// Keys of `config.json` with those in GGUF. Where the converter found none, llama.cpp does not multiply.
const MULTIPLIERS: [(&str, &str); 3] = [
    ("embedding_multiplier", "embedding_scale"),
    ("residual_multiplier", "residual_scale"),
    ("logits_scaling", "logit_scale"),
];

fn complete(
    keys: &mut Keys<'_>,
    sizes: &Sizes,
    config: &mut Map<String, Json>,
) -> Result<(), GgufError> {
    for (key, name) in MULTIPLIERS {
        let multiplier = keys.number(name)?.unwrap_or(1.0);
        config.insert(key.to_string(), json!(multiplier));
    }
    let usual = 1.0 / (sizes.head_width as f64).sqrt();
    let attention = keys.number("attention.scale")?.unwrap_or(usual);
    config.insert("attention_multiplier".to_string(), json!(attention));
    Ok(())
}
