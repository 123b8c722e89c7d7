//! What a run leaves behind: one folder, every file whole or not at all.

mod folder;
mod log;
mod manifest;
mod result;

pub use folder::RunFolder;
pub use log::MetricsLog;
pub use manifest::Manifest;
pub use result::RunResult;
