//! The record of a run: one folder, in which every file is complete or absent.

mod checked;
mod diverged;
mod earlier;
mod flush;
mod folder;
mod identity;
mod layers;
mod log;
mod manifest;
mod processor;
mod result;
mod tell_apart;
#[cfg(feature = "tensorboard")]
mod tensorboard;
mod user_cache;
mod writable;

pub use diverged::DivergedRun;
pub use flush::{flush, flush_entry};
pub use folder::RunFolder;
pub use identity::{Contents, Identity};
pub use layers::layers_csv;
pub use log::{LoggedJob, MetricsLog};
pub use manifest::{Manifest, REVISION, command_line};
pub use processor::processor;
pub use result::{RunResult, stem};
pub use tell_apart::{NamedResult, tell_apart};
#[cfg(feature = "tensorboard")]
pub use tensorboard::EventFile;
pub use user_cache::user_cache;
pub use writable::check_writable;
