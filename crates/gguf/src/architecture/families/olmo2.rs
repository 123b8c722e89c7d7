//! OLMo 2.

use serde_json::{Map, Value as Json};

use crate::architecture::Architecture;
use crate::architecture::keys::Keys;
use crate::architecture::names::{NORMS_BEHIND, NORMS_OF_HEADS, PROJECTIONS};
use crate::architecture::sizes::Sizes;
use crate::error::GgufError;

pub(super) const OLMO2: Architecture = Architecture {
    name: "olmo2",
    class: "Olmo2ForCausalLM",
    model_type: "olmo2",
    layer: &[NORMS_BEHIND, NORMS_OF_HEADS, PROJECTIONS],
    interleaved: false,
    norms_plus_one: false,
    complete,
};

/// llama.cpp keeps OLMo 3 under the same name; its windows are what differs.
fn complete(keys: &mut Keys<'_>, _: &Sizes, _: &mut Map<String, Json>) -> Result<(), GgufError> {
    match keys.count("attention.sliding_window")? {
        None => Ok(()),
        Some(window) => {
            let found = format!("OLMo 3, with a window of {window} tokens");
            let supported = "OLMo 2, which has none";
            Err(GgufError::unsupported(
                keys.path(),
                "architecture",
                &found,
                supported,
            ))
        }
    }
}
