//! What the networks of all families are made of: linear layers, padded batches, the cache of attention.

mod cache;
mod padding;
mod projection;

pub(crate) use cache::LayerCache;
pub(crate) use padding::padded;
pub(crate) use projection::LinearApplier;
pub use projection::{InputNeeded, LinearMap, Observer, Unmapped};
