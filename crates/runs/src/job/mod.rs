//! A job: one method with one seed on one order of the tasks.

mod execute;
mod recorder;
mod work;

pub use execute::{Job, Outcome, sequence};
pub use recorder::{CHECKPOINTS, Recorder, RecorderPolicy};
pub use work::{TaskSize, Work};
