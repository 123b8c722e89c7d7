//! SmolLM3.

use serde_json::{Map, Value as Json, json};

use crate::architecture::Architecture;
use crate::architecture::keys::Keys;
use crate::architecture::names::{NORMS_BEFORE, PROJECTIONS};
use crate::architecture::sizes::Sizes;
use crate::error::GgufError;

pub(super) const SMOLLM3: Architecture = Architecture {
    name: "smollm3",
    class: "SmolLM3ForCausalLM",
    model_type: "smollm3",
    layer: &[NORMS_BEFORE, PROJECTIONS],
    interleaved: true,
    norms_plus_one: false,
    complete,
};

/// Every fourth layer has no rotary embeddings. The metadata do not say so: llama.cpp knows it.
const INTERVAL: u64 = 4;

/// # References
///
/// `LLM_ARCH_SMOLLM3` in `src/llama-model.cpp` of llama.cpp; `no_rope_layers` holds 1 for a layer that rotates.
fn complete(
    _: &mut Keys<'_>,
    sizes: &Sizes,
    config: &mut Map<String, Json>,
) -> Result<(), GgufError> {
    let rotates = |layer| u64::from((layer + 1) % INTERVAL != 0);
    let layers: Vec<u64> = (0..sizes.layers).map(rotates).collect();
    config.insert("no_rope_layer_interval".to_string(), json!(INTERVAL));
    config.insert("no_rope_layers".to_string(), json!(layers));
    Ok(())
}
