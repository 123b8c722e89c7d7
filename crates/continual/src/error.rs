//! What can go wrong while tasks are learned.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use lm::LmError;
use osft::OsftError;
use thiserror::Error;

use crate::scoring::Protocol;

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
        "training diverged at step {step} of task {task:?} (loss {loss}, gradient norm \
         {gradient_norm}): lower the learning rate, now {learning_rate:e}, or clip gradients"
    )]
    Diverged {
        /// The task.
        task: String,
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
    /// A file or folder of a checkpoint cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was to be done.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A part of a checkpoint could not be made.
    #[error("cannot write {}: {reason}", path.display())]
    Unsaved {
        /// The file it was to be.
        path: PathBuf,
        /// What kept it from being written.
        reason: String,
    },
    /// A part of a checkpoint does not hold what it should.
    #[error("{} cannot be continued: {reason}", path.display())]
    BrokenCheckpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The run was asked to stop, and what another process needs to go on has been saved.
    #[error("interrupted")]
    Interrupted,
    /// There is no method of that name.
    #[error("there is no method {name:?}; there are {methods}")]
    UnknownMethod {
        /// The name.
        name: String,
        /// Names of the methods there are.
        methods: String,
    },
    /// A setting of a method that there is not, or that has another type.
    #[error("{setting}: {reason}")]
    MethodSetting {
        /// The setting, as `methods.NAME.KEY`.
        setting: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A method goes through the tasks in another way than the registry says of it.
    #[error("method {name:?} is registered as {expected:?}, but says that it is {found:?}")]
    Protocol {
        /// The method.
        name: String,
        /// What the registry says.
        expected: Protocol,
        /// What the method says.
        found: Protocol,
    },
    /// The split of a model failed.
    #[error(transparent)]
    Osft(#[from] OsftError),
    /// A text could not be tokenized.
    #[error(transparent)]
    Lm(#[from] LmError),
}

impl ContinualError {
    /// For `map_err`: what was to be done with which file.
    pub(crate) fn io(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// For `map_err`: the file that could not be made.
    pub(crate) fn saving<E: Display>(path: &Path) -> impl FnOnce(E) -> Self + use<E> {
        let path = path.to_path_buf();
        move |error| Self::Unsaved {
            path,
            reason: error.to_string(),
        }
    }
}
