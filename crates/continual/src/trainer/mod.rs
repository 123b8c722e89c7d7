//! The training loop of one task.
//!
//! It is not burn-train's `Learner`, which saves at epochs: a run must go on from any step, bit for bit. For the same
//! reason patience is a count that is saved with the step: the state of burn-train's early stopping cannot be saved.

mod batches;
mod clip;
mod config;
mod fit;
mod schedule;
mod validation;

pub use batches::{global_batches, micro_batches};
pub use clip::{clip_by_global_norm, global_norm};
pub use config::{Schedule, TrainConfig, ValidationConfig};
pub use fit::{Step, TaskTraining, TrainEvent, Training, fit, step_count};
pub use validation::Best;
