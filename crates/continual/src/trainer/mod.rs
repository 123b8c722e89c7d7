//! The training loop of one task.

mod batches;
mod clip;
mod config;
mod fit;
mod schedule;

pub use batches::global_batches;
pub use clip::{clip_by_global_norm, global_norm};
pub use config::{Schedule, TrainConfig};
pub(crate) use fit::read_rows;
pub use fit::{Course, Step, fit, step_count};
