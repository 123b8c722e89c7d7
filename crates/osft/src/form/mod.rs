//! The forms: how the change of a weight stays inside its free directions. One file for each, except for
//! `weight`, which is `core` with the dense change as its coordinates.

mod core;
mod factored;
mod linear;
mod optimizer;
mod output_limit;

pub use self::core::FreeCore;
use self::core::like;
pub(crate) use self::core::{CoreForm, CoreOptimizer, Unmoved, composed};
pub use factored::FreeFactors;
use factored::trainable;
pub(crate) use factored::{Axis, FactorOptimizer, FactoredForm, free_part};
pub use linear::{KeptInput, StepCost};
pub(crate) use output_limit::OutputLimit;
