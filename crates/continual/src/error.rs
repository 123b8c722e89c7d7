//! What can go wrong while tasks are learned.

use lm::LmError;
use osft::OsftError;
use thiserror::Error;

/// Errors of training, evaluating and running a sequence of tasks.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ContinualError {
    /// A training setting is out of range.
    #[error("{name} = {found} is out of range: {expected}")]
    InvalidSetting {
        /// The setting.
        name: &'static str,
        /// Its value.
        found: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// A task has no rows to train on or to be scored on.
    #[error("task {task:?} has no {what} rows")]
    NoRows {
        /// The task.
        task: String,
        /// `training`, `validation` or `test`.
        what: &'static str,
    },
    /// The loss or a gradient is NaN or infinite.
    #[error(
        "training diverged at step {step} (loss {loss}, gradient norm {gradient_norm}): lower the \
         learning rate, now {learning_rate:e}, or clip gradients"
    )]
    Diverged {
        /// Step within the task, from 1.
        step: usize,
        /// Loss of that step.
        loss: f64,
        /// Global norm of its gradient.
        gradient_norm: f64,
        /// Learning rate of that step.
        learning_rate: f64,
    },
    /// A training row cannot be read.
    #[error("training row {row} cannot be read: {reason}")]
    Row {
        /// Index of the row.
        row: usize,
        /// The data set's reason.
        reason: String,
    },
    /// The split of a model failed.
    #[error(transparent)]
    Osft(#[from] OsftError),
    /// A text could not be tokenized.
    #[error(transparent)]
    Lm(#[from] LmError),
}
