//! The forms of the constraint: how a weight is kept inside what is free, and trained. One file each, but for
//! `weight`, which is `core` in the coordinates of the dense change.

mod core;
mod factored;
mod linear;
mod optimizer;

use self::core::like;
pub(crate) use self::core::{CoreForm, Unmoved, composed};
pub use self::core::{CoreOptimizer, FreeCore};
pub use factored::FreeFactors;
use factored::trainable;
pub(crate) use factored::{Axis, FactorOptimizer, FactoredForm, free_part};
pub use linear::{KeptInput, StepCost};
