//! Qwen2 and Qwen3.

use serde_json::{Map, Value as Json, json};

use crate::architecture::Architecture;
use crate::architecture::keys::Keys;
use crate::architecture::names::{NORMS_BEFORE, NORMS_OF_HEADS, PROJECTIONS};
use crate::architecture::sizes::Sizes;
use crate::error::GgufError;

pub(super) const QWEN2: Architecture = Architecture {
    name: "qwen2",
    class: "Qwen2ForCausalLM",
    model_type: "qwen2",
    layer: &[NORMS_BEFORE, PROJECTIONS],
    interleaved: false,
    norms_plus_one: false,
    complete: complete_qwen2,
};

pub(super) const QWEN3: Architecture = Architecture {
    name: "qwen3",
    class: "Qwen3ForCausalLM",
    model_type: "qwen3",
    layer: &[NORMS_BEFORE, PROJECTIONS, NORMS_OF_HEADS],
    interleaved: false,
    norms_plus_one: false,
    complete,
};

/// Its class has no key for the biases that it always has.
fn complete_qwen2(
    keys: &mut Keys<'_>,
    sizes: &Sizes,
    config: &mut Map<String, Json>,
) -> Result<(), GgufError> {
    config.remove("attention_bias");
    complete(keys, sizes, config)
}

/// llama.cpp runs both without a window.
fn complete(_: &mut Keys<'_>, _: &Sizes, config: &mut Map<String, Json>) -> Result<(), GgufError> {
    config.insert("use_sliding_window".to_string(), json!(false));
    config.insert("sliding_window".to_string(), Json::Null);
    Ok(())
}
