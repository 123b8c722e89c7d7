//! Errors of reading and using rows.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// Where a row stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// Line of a JSONL file, or number of the row in a JSON list; from 1.
    pub number: usize,
    /// Whether the file is a JSON list, whose rows are counted.
    pub in_list: bool,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.in_list { "row" } else { "line" };
        write!(f, "{}, {what} {}", self.path.display(), self.number)
    }
}

/// Errors of reading and using rows.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RowsError {
    /// A file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Reason given by the operating system.
        error: std::io::Error,
    },
    /// A file is not what its rows are read from.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A row cannot be used.
    #[error("{place}: {reason}")]
    Row {
        /// Where it stands.
        place: Place,
        /// What is wrong with it.
        reason: String,
    },
    /// Rows of one data set have two formats.
    #[error("{place} has {format}, but {first_place} has {first_format}: one format per data set")]
    Mixed {
        /// The first row of another format.
        place: Place,
        /// Its format.
        format: &'static str,
        /// The first row.
        first_place: Place,
        /// Its format.
        first_format: &'static str,
    },
    /// A source is not written as `FILE` or `FILE:WEIGHT`.
    #[error("{text:?}: {reason}")]
    Source {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl RowsError {
    /// The error of a row.
    pub(crate) fn row(place: &Place, reason: impl fmt::Display) -> Self {
        Self::Row {
            place: place.clone(),
            reason: reason.to_string(),
        }
    }
}
