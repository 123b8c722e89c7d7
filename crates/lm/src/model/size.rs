//! Shapes of models that publications use.

use serde_json::Value;

use super::family::Pretrained;

/// Shape of a published model. It is enough to build the model with random weights, and to count.
#[derive(Clone, Debug)]
pub struct Size {
    /// The name of its folder, in lower case.
    pub name: &'static str,
    /// Its repository on the Hugging Face hub.
    pub repository: &'static str,
    /// What its `config.json` says about its shape.
    pub config: Value,
    /// Number of parameters that its publisher counts, if there is a count.
    pub parameters: Option<u64>,
}

/// The published shapes of all families that a model type reads.
pub fn sizes_of<M: Pretrained>() -> impl Iterator<Item = &'static Size> {
    M::FAMILIES.iter().flat_map(|format| (format.sizes)())
}
