//! Building blocks of all families: linear layers, padded batches, the key-value cache of attention.

mod branches;
mod cache;
mod padding;
mod projection;

pub(crate) use branches::{BranchTargets, Branches, inputs};
pub(crate) use cache::LayerCache;
pub(crate) use padding::padded;
pub(crate) use projection::LinearApplier;
pub use projection::{InputNeeded, LinearMap, Observer, Product, Unmapped};
