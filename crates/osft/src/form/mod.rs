//! The forms of the constraint: how a weight is kept inside what is free. One file each, but for
//! `weight`, which is `core` in the coordinates of the dense change.

mod core;
mod factored;

pub(crate) use self::core::{CoreForm, Unmoved, composed};
pub use self::core::{CoreOptimizer, FreeCore};
pub use factored::FreeFactors;
pub(crate) use factored::{
    Axis, FactorIds, FactorOptimizer, FactoredForm, Factors, free_part, product,
};
