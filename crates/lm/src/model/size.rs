//! Published shapes of models.

use serde_json::Value;

use super::family::Pretrained;

/// Shape of a published model, which suffices to build the model with random weights and to count its
/// parameters.
#[derive(Clone, Debug)]
pub struct Size {
    /// Name of its folder, in lower case.
    pub name: &'static str,
    /// Repository on the Hugging Face hub.
    pub repository: &'static str,
    /// Its `config.json`, reduced to the shape.
    pub config: Value,
    /// Number of parameters according to the publisher, if it states one.
    pub parameters: Option<u64>,
}

/// The published shapes of all families that a model type supports.
pub fn sizes_of<M: Pretrained>() -> impl Iterator<Item = &'static Size> {
    M::FAMILIES.iter().flat_map(|format| (format.sizes)())
}
