//! A job: one method with one seed on one order of the tasks.

mod execute;
mod progress;
mod recorder;
mod work;

pub use execute::{Job, Keeping, Outcome, check_carried, sequence};
pub use recorder::{CHECKPOINTS, Recorder};
pub use work::{TaskSize, Work};
