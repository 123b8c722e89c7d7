//! From a suite to the tasks of a run: rows read, repaired, limited and tokenized.

pub mod builtin;
mod lengths;
mod load_task;
mod prepare;
mod rows;

pub use prepare::{PreparedTasks, RowHashes, ScoredRows};
