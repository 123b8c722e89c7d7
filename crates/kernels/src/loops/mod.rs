//! Loops over slices of numbers. They know nothing of Burn.
//!
//! The order of every sum is fixed by the length of its row: results do not depend on the number of threads, and
//! those of everything but matrix products not on which vector instructions there are.

mod adamw;
mod attention;
mod exp;
mod gate;
mod lanes;
mod likelihood;
mod norm;
mod parallel;
mod product;
mod rotation;
mod scale;

pub use adamw::{AdamWStep, Moments};
pub use attention::{Bias, softmax_gradient, softmax_of_biased};
pub use exp::{exp, sigmoid};
pub use gate::{silu_gate, silu_gate_gradients};
pub use likelihood::{negative_log_likelihood, negative_log_likelihood_gradient, token_losses};
pub use norm::{rms_norm, rms_norm_gradient};
pub use product::{Matrix, Written, product, products};
pub use rotation::{Rotation, rotate};
pub use scale::{scale, sum_of_squares};
