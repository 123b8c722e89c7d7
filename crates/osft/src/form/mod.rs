//! The forms of the constraint: how a weight is kept inside what is free. One file each, but for
//! `weight`, which is `core` in the coordinates of the dense change.

mod core;
mod factored;

pub(crate) use self::core::Unmoved;
pub use self::core::{CoreForm, CoreOptimizer, FreeCore};
pub(crate) use factored::{Axis, FactorIds, FactorOptimizer, Factors, free_part};
pub use factored::{FactoredForm, FreeFactors};
