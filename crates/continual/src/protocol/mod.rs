//! Tasks, the protocols in which a method learns them, the result matrix and its metrics.

mod matrix;
pub mod metrics;
mod rows;
mod task;

pub use crate::scoring::{LabelScores, Protocol, Scoring};
pub use matrix::ResultMatrix;
pub(crate) use rows::{Rows, each_row, evenly_spaced, read_row};
#[cfg(test)]
pub(crate) use task::Unscored;
pub use task::{EvaluationSet, Question, Scorer, Task};
