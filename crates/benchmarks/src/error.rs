//! What can be wrong with a benchmark on disk.

use std::path::PathBuf;

use thiserror::Error;

use crate::json::{NotJson, ReadError};

/// Errors of opening a suite and reading its rows.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BenchmarkError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A file of rows is not there.
    #[error(
        "{} is missing: a task is a folder with {files}",
        path.display()
    )]
    MissingFile {
        /// The file.
        path: PathBuf,
        /// Files that the folder should hold.
        files: &'static str,
    },
    /// A file that should be JSON is something else.
    #[error("{} {found}", path.display())]
    NotJson {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: NotJson,
    },
    /// A file is not JSON, or not of the expected form; the reason holds line and column.
    #[error("{}: {reason}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The parser's reason.
        reason: String,
    },
    /// A row is not usable.
    #[error("{}, row {row} (from 0): {reason}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// Index of the row.
        row: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A row's answer is none of the task's.
    #[error(
        "{}, row {row} (from 0): unknown label {found:?}; the task's answers are {labels}",
        path.display()
    )]
    UnknownLabel {
        /// The file.
        path: PathBuf,
        /// Index of the row.
        row: usize,
        /// Its answer.
        found: String,
        /// The task's answers.
        labels: String,
    },
    /// A file holds no row.
    #[error("{} holds no row", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A folder is not a suite.
    #[error(
        "{} is not a suite: expected {expected}, found {found}",
        path.display()
    )]
    NotASuite {
        /// The folder.
        path: PathBuf,
        /// What a suite's folder holds.
        expected: String,
        /// What the folder holds.
        found: String,
    },
    /// A description of a suite names a score that is not in the list.
    #[error(
        "{}: task {task:?} has the unknown score {score:?}; the scores are {known}",
        path.display()
    )]
    UnknownScore {
        /// The description.
        path: PathBuf,
        /// The task.
        task: String,
        /// The name as given.
        score: String,
        /// The scores in the list.
        known: String,
    },
    /// Published figures of a benchmark cannot be read.
    #[error("the published figures on {suite} are not of the expected form: {reason}")]
    Published {
        /// The suite.
        suite: String,
        /// The parser's reason.
        reason: String,
    },
    /// An order names a task that the suite does not have.
    #[error(
        "there is no task {name:?} in {suite}; its tasks are {known}{}",
        suggest(suggestion)
    )]
    UnknownTask {
        /// The suite.
        suite: String,
        /// The name as given.
        name: String,
        /// The suite's tasks.
        known: String,
        /// The task that was probably meant.
        suggestion: Option<String>,
    },
    /// An order names a task twice.
    #[error("order {order:?} names task {name:?} twice")]
    RepeatedTask {
        /// The order as given.
        order: String,
        /// The task.
        name: String,
    },
    /// An order by number that the suite does not store.
    #[error("{suite} stores orders 1 to {stored}; there is no order {order}")]
    UnknownOrder {
        /// The suite.
        suite: String,
        /// The number as given.
        order: usize,
        /// How many orders the suite stores.
        stored: usize,
    },
}

fn suggest(suggestion: &Option<String>) -> String {
    suggestion
        .as_ref()
        .map_or(String::new(), |name| format!("; did you mean {name:?}?"))
}

impl From<ReadError> for BenchmarkError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io { path, source } => Self::Io { path, source },
            ReadError::NotJson { path, found } => Self::NotJson { path, found },
            ReadError::Json { path, reason } => Self::Json { path, reason },
        }
    }
}
