//! Access to any Burn module: its parameters, which of them train, and their values.

mod survey;
mod tensors;
mod trainability;
mod values;
mod weight;

pub(crate) use survey::{Paths, Place, Survey, dtypes, values};
pub(crate) use tensors::{as_matrix, beside, changed, computed, is_half, unit_roundoff, widened};
pub use trainability::Trainability;
pub(crate) use trainability::{RecordedIn, is_trained, set, with_gradients};
pub(crate) use values::{check_finite, replaced};
pub(crate) use weight::{Weight, non_finite, weights};
