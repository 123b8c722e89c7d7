//! The inner loops of a training step, and Burn operations that are made of them.
//!
//! Burn's processor backend flex computes exponentials one number at a time, writes a new tensor for every operation
//! of a chain, and copies what it allocates for a matrix product. The [`loops`] pass over their numbers once, with
//! the vector instructions that the processor has, on all threads of rayon's pool. [`Chains`] are the operations, for
//! every backend: flex runs the loops, the others compose their own operations.

mod chains;
mod gradients;
pub mod loops;

pub use chains::{Chains, as_rows, in_type, unflattened, widened};
#[cfg(feature = "flex")]
pub use gradients::runs_loops;
pub use gradients::{scaled, sum_of_squares};
