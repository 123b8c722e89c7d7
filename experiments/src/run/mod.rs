//! What a run leaves behind: one folder, every file whole or not at all.

mod folder;
mod layers;
mod log;
mod manifest;
mod recorder;
mod result;
#[cfg(feature = "tensorboard")]
mod tensorboard;

pub use folder::RunFolder;
pub use layers::{layers_csv, layers_table};
pub use log::MetricsLog;
pub use manifest::Manifest;
pub use recorder::{CHECKPOINTS, Keeping, Recorder};
pub use result::{RunResult, stem};
#[cfg(feature = "tensorboard")]
pub use tensorboard::EventFile;
