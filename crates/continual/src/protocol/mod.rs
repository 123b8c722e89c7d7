//! What a sequence of tasks is made of: tasks, how a method goes through them, scores and their metrics.

mod matrix;
pub mod metrics;
mod rows;
mod task;

pub use crate::scoring::{Protocol, Scoring};
pub use matrix::ResultMatrix;
pub(crate) use rows::{read_row, read_rows};
#[cfg(test)]
pub(crate) use task::Unscored;
pub use task::{EvaluationSet, Question, Scorer, Task};
