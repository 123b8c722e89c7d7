//! LLaMA, and Mistral, which llama.cpp keeps as LLaMA.

use serde_json::{Map, Value as Json, json};

use crate::architecture::Architecture;
use crate::architecture::keys::Keys;
use crate::architecture::names::{NORMS_BEFORE, PROJECTIONS};
use crate::architecture::sizes::Sizes;
use crate::error::GgufError;

pub(super) const LLAMA: Architecture = Architecture {
    name: "llama",
    class: "LlamaForCausalLM",
    model_type: "llama",
    layer: &[NORMS_BEFORE, PROJECTIONS],
    interleaved: true,
    norms_plus_one: false,
    complete,
};

/// A window makes it a Mistral model; the converter writes none for those that have one, so most become LLaMA models,
/// as which llama.cpp runs them.
fn complete(
    keys: &mut Keys<'_>,
    _: &Sizes,
    config: &mut Map<String, Json>,
) -> Result<(), GgufError> {
    if let Some(window @ 1..) = keys.count("attention.sliding_window")? {
        config.insert("architectures".to_string(), json!(["MistralForCausalLM"]));
        config.insert("model_type".to_string(), json!("mistral"));
        config.insert("sliding_window".to_string(), json!(window));
    }
    Ok(())
}
