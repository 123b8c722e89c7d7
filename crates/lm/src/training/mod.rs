//! Loss and backward pass, the same for all families.

mod backpropagation;
mod head;
mod loss;

pub use backpropagation::{Backpropagation, GradientSink};
pub(crate) use backpropagation::{BackwardPass, gradient_of, trains};
pub(crate) use head::{Head, HeadProduct, Targets};
pub use loss::negative_log_likelihood;
