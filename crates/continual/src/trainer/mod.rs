//! The training loop of one task.

mod batches;
mod clip;
mod config;
mod fit;
mod schedule;
mod validation;

pub use batches::global_batches;
pub use clip::{clip_by_global_norm, global_norm};
pub use config::{Schedule, TrainConfig, ValidationConfig};
pub use fit::{Step, TaskTraining, TrainEvent, Training, fit, step_count};
pub use validation::Best;
