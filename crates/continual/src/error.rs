//! Errors of training, evaluation and sequences.

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
        /// The allowed values.
        expected: &'static str,
    },
    /// A task has no rows to train on or to be scored on.
    #[error("task {task:?} has no {what} rows")]
    NoRows {
        /// The task.
        task: String,
        /// `training`, `validation`, `test` or `generated`.
        what: &'static str,
    },
    /// A question has no token to continue from.
    #[error("question {question} (from 0) has no token to continue from")]
    EmptyQuestion {
        /// Its place.
        question: usize,
    },
    /// A label that a task allows has no token, so that it has no likelihood.
    #[error(
        "the tokenizer finds no token in the label {label:?}, so that its likelihood cannot be measured: change the \
         label, or score the task by generated answers alone"
    )]
    Label {
        /// The label.
        label: String,
    },
    /// What is measured of the model beside its tasks could not be measured.
    #[error("cannot measure the model after {learned} tasks")]
    Probe {
        /// Number of tasks learned by then.
        learned: usize,
        /// The reason.
        source: Box<dyn std::error::Error + Send + Sync>,
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
    /// The weights are NaN or infinite after a task.
    #[error(
        "the weights are not finite after task {task:?}: lower the learning rate or the strength of what else \
         changes them"
    )]
    NotFinite {
        /// The task.
        task: String,
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
        /// The operation that failed, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A part of a checkpoint could not be written.
    #[error("cannot write {}: {reason}", path.display())]
    Unsaved {
        /// The part's file.
        path: PathBuf,
        /// Why it could not be written.
        reason: String,
    },
    /// A part of a checkpoint has unexpected content.
    #[error("{} cannot be continued: {reason}", path.display())]
    BrokenCheckpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The run was asked to stop, and another process can resume it from its checkpoint.
    #[error("interrupted")]
    Interrupted,
    /// No method has this name.
    #[error("there is no method {name:?}; there are {methods}")]
    UnknownMethod {
        /// The requested name.
        name: String,
        /// The names of all methods.
        methods: String,
    },
    /// A method does not have this setting, or the setting has a wrong type or value.
    #[error("{setting}: {reason}")]
    MethodSetting {
        /// The setting, as `methods.NAME.KEY`.
        setting: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An adapter is wider than the layer that it is attached to.
    #[error(
        "{layer}, of shape {} x {}, has no adapter of rank {rank}: a product of factors has at most the rank {}, the \
         smaller dimension; lower adapter_rank, or choose other targets",
        shape[0], shape[1], shape[0].min(shape[1])
    )]
    AdapterRank {
        /// Path of the layer's weight.
        layer: String,
        /// Its shape, `[d_in, d_out]`.
        shape: [usize; 2],
        /// The rank that was asked for.
        rank: usize,
    },
    /// The loss on validation rows is to be measured, and no such row has an answer.
    #[error(
        "{}, or set validation.every_epochs = 0 without patience and keep_best",
        no_validation(task, *rows)
    )]
    NoValidation {
        /// The task.
        task: String,
        /// Number of validation rows.
        rows: usize,
    },
    /// A method needs an input that it was not built with.
    #[error("method {method:?} needs {input}: build it with MethodInputs that have it")]
    MissingInput {
        /// The method.
        method: &'static str,
        /// What is missing.
        input: &'static str,
    },
    /// A method's protocol differs from the protocol in the registry.
    #[error("method {name:?} is registered as {expected:?}, but says that it is {found:?}")]
    Protocol {
        /// The method.
        name: String,
        /// The protocol in the registry.
        expected: Protocol,
        /// The method's protocol.
        found: Protocol,
    },
    /// The singular values of a parameter's change cannot be computed.
    #[error("the change of {parameter} has no singular values that a decomposition converges to")]
    NoConvergence {
        /// Path of the parameter.
        parameter: String,
    },
    /// The split of a model failed.
    #[error(transparent)]
    Osft(#[from] OsftError),
    /// A model cannot be built or read, or a text cannot be tokenized.
    #[error(transparent)]
    Lm(#[from] LmError),
}

impl ContinualError {
    /// For `map_err`: an I/O error with the operation and the file.
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

    /// For `map_err`: an error with the file that could not be written.
    pub(crate) fn saving<E: Display>(path: &Path) -> impl FnOnce(E) -> Self + use<E> {
        let path = path.to_path_buf();
        move |error| Self::Unsaved {
            path,
            reason: error.to_string(),
        }
    }
}

/// What is missing to measure a loss on validation rows, and what to do.
fn no_validation(task: &str, rows: usize) -> String {
    match rows {
        0 => format!("task {task:?} has no validation row to measure a loss on: give some"),
        _ => format!(
            "no validation row of task {task:?} has an answer to measure a loss on: give rows whose answers fit into \
             max_length"
        ),
    }
}
