//! Errors of benchmarks on disk.

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
    /// A file of rows does not exist.
    #[error(
        "{} is missing: a task is a folder with {files}",
        path.display()
    )]
    MissingFile {
        /// The file.
        path: PathBuf,
        /// The files that the folder must contain.
        files: &'static str,
    },
    /// A file that must be JSON has another format.
    #[error("{} {found}", path.display())]
    NotJson {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: NotJson,
    },
    /// A file is not JSON, or not of the expected form; the reason gives line and column.
    #[error("{}: {reason}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The parser's reason.
        reason: String,
    },
    /// A row cannot be used.
    #[error("{}, row {row} (from 0): {reason}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// Index of the row.
        row: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A row's answer is not one of the task's answers.
    #[error(
        "{}, row {row} (from 0): unknown label {found:?}; the task's answers are {labels}",
        path.display()
    )]
    UnknownLabel {
        /// The file.
        path: PathBuf,
        /// Index of the row, from 0.
        row: usize,
        /// Its answer.
        found: String,
        /// The task's answers.
        labels: String,
    },
    /// A file contains no row.
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
        /// The content that a suite's folder must have.
        expected: String,
        /// The content of the folder.
        found: String,
    },
    /// The description of a suite names a score that is not in the list.
    #[error(
        "{}: task {task:?} has the unknown score {score:?}; the scores are {known}",
        path.display()
    )]
    UnknownScore {
        /// The description.
        path: PathBuf,
        /// The task.
        task: String,
        /// The unknown name.
        score: String,
        /// The scores in the list.
        known: String,
    },
    /// A benchmark's published scores cannot be read.
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
        /// The unknown name.
        name: String,
        /// The suite's tasks.
        known: String,
        /// The task with the most similar name, if one is similar enough.
        suggestion: Option<String>,
    },
    /// An order names a task more than once.
    #[error("order {order:?} names task {name:?} twice")]
    RepeatedTask {
        /// The order as given.
        order: String,
        /// The task.
        name: String,
    },
    /// A recipe takes a task from a suite whose folder is not known.
    #[error(
        "task {task:?} comes from {source_name:?}, but no folder is given for it; those that are given: {known}"
    )]
    UnknownSource {
        /// The task.
        task: String,
        /// The recipe's name for the suite.
        source_name: String,
        /// The names that have a folder.
        known: String,
    },
    /// A recipe asks for no row of a split.
    #[error("task {task:?}: the recipe asks for 0 {split} rows; every split needs at least 1")]
    NoRowsWanted {
        /// The task.
        task: String,
        /// The split.
        split: String,
    },
    /// A task has fewer rows than a recipe asks for.
    #[error(
        "task {task:?} has {found} {split} rows with at most {max_tokens} tokens ({all} in all), and {wanted} are \
         wanted: raise max_tokens, or lower the number of rows"
    )]
    TooFewRows {
        /// The task.
        task: String,
        /// The split.
        split: String,
        /// Number of rows that the recipe asks for.
        wanted: usize,
        /// Number of rows that are not too long.
        found: usize,
        /// Number of all rows.
        all: usize,
        /// The longest row that is taken, in tokens.
        max_tokens: usize,
    },
    /// The suite has no order of this number.
    #[error("{suite} stores orders 1 to {stored}; there is no order {order}")]
    UnknownOrder {
        /// The suite.
        suite: String,
        /// The unknown number.
        order: usize,
        /// Number of orders that the suite stores.
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
