//! Turns a suite into the tasks of a run: reads, repairs, limits and tokenizes its rows.

pub mod builtin;
mod labels;
mod lengths;
mod limits;
mod load_task;
mod prepare;
mod probe;
mod rows;
mod score;

pub use prepare::{PreparedTasks, RowHashes, ScoredRows, first_task};
