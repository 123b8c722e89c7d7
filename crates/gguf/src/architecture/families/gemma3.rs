//! Gemma 3, the part that reads text.

use serde_json::{Map, Value as Json, json};

use crate::architecture::Architecture;
use crate::architecture::keys::Keys;
use crate::architecture::names::{NORMS_BEFORE_OF_FOUR, NORMS_BEHIND, NORMS_OF_HEADS, PROJECTIONS};
use crate::architecture::sizes::Sizes;
use crate::error::GgufError;

pub(super) const GEMMA3: Architecture = Architecture {
    name: "gemma3",
    class: "Gemma3ForCausalLM",
    model_type: "gemma3_text",
    layer: &[
        NORMS_BEFORE_OF_FOUR,
        NORMS_BEHIND,
        NORMS_OF_HEADS,
        PROJECTIONS,
    ],
    interleaved: false,
    norms_plus_one: true,
    complete,
};

/// Every sixth layer sees the whole text, the others a window.
const PATTERN: u64 = 6;
/// Base of the frequencies in layers with a window.
const LOCAL_BASE: f64 = 10_000.0;
/// Layers of the model of 27 billion parameters, the only one whose scores are not scaled by the width of a head.
const LAYERS_OF_27B: u64 = 62;

/// # References
///
/// `LLM_ARCH_GEMMA3` in `src/llama-model.cpp` of llama.cpp: what its metadata leave out.
fn complete(
    keys: &mut Keys<'_>,
    sizes: &Sizes,
    config: &mut Map<String, Json>,
) -> Result<(), GgufError> {
    let window = keys.count("attention.sliding_window")?.filter(|w| *w > 0);
    let local_base = keys.number("rope.freq_base_swa")?.unwrap_or(LOCAL_BASE);
    let pattern = if window.is_some() { PATTERN } else { 1 };
    let kind = |layer| match (layer + 1) % pattern {
        0 => "full_attention",
        _ => "sliding_attention",
    };
    let kinds: Vec<&str> = (0..sizes.layers).map(kind).collect();
    let scalar = match sizes.layers == LAYERS_OF_27B {
        true => sizes.hidden / sizes.heads,
        false => sizes.head_width,
    };
    config.shift_remove("hidden_act");
    let mut set = |key: &str, value: Json| {
        config.insert(key.to_string(), value);
    };
    set("hidden_activation", json!("gelu_pytorch_tanh"));
    set("query_pre_attn_scalar", json!(scalar));
    set("sliding_window", json!(window));
    set("sliding_window_pattern", json!(pattern));
    set("layer_types", json!(kinds));
    set("rope_local_base_freq", json!(local_base));
    set("attn_logit_softcapping", Json::Null);
    let most = keys.number("final_logit_softcapping")?;
    set("final_logit_softcapping", json!(most));
    Ok(())
}
