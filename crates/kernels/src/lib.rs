//! Loops of a training step on a processor. Each one passes over its numbers once, with the vector instructions that
//! the processor has, on all threads of rayon's pool.
//!
//! Burn's processor backend computes exponentials one number at a time, and writes a new tensor for every operation
//! of a chain. These loops work on slices and know nothing of Burn.
//!
//! The order of every sum is fixed by the length of its row: results do not depend on the number of threads, nor on
//! which vector instructions there are.

mod adamw;
mod attention;
mod exp;
mod gate;
mod lanes;
mod likelihood;
mod norm;
mod parallel;
mod rotation;

pub use adamw::{AdamWStep, Moments};
pub use attention::{Bias, softmax_gradient, softmax_of_biased};
pub use exp::{exp, sigmoid};
pub use gate::{silu_gate, silu_gate_gradients};
pub use likelihood::{negative_log_likelihood, negative_log_likelihood_gradient};
pub use norm::{rms_norm, rms_norm_gradient};
pub use rotation::{Rotation, rotate};
