//! Errors of suites, their files, and their scores.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// Errors of opening a suite, scoring answers and comparing scores.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GeneralError {
    /// A file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        error: std::io::Error,
    },
    /// A file cannot be used as a whole.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A line of a file cannot be used.
    #[error("{}, line {line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A model answered a row with a number that is not finite.
    #[error("suite {suite}, {row}: the model's answer has the value {value}, which is not finite")]
    NotFinite {
        /// The suite.
        suite: String,
        /// The row.
        row: String,
        /// The value.
        value: f64,
    },
    /// There is no suite of this name.
    #[error("there is no suite {name:?}; the suites are {known}")]
    UnknownSuite {
        /// The unknown name.
        name: String,
        /// The names of all suites.
        known: String,
    },
    /// There is no protocol of this name.
    #[error("there is no protocol {name:?}; the protocols are {known}")]
    UnknownProtocol {
        /// The unknown name.
        name: String,
        /// The names of all protocols.
        known: String,
    },
    /// A suite is not part of a protocol.
    #[error(
        "the protocol {protocol} has no suite {suite:?}: leave it out, or measure it by {known}"
    )]
    NotInProtocol {
        /// The suite.
        suite: String,
        /// The protocol that lacks it.
        protocol: &'static str,
        /// The protocols that have it.
        known: String,
    },
    /// The number of responses differs from that of requests.
    #[error("{suite} has {requests} requests, but {responses} responses were given")]
    ResponseCount {
        /// The suite.
        suite: String,
        /// Number of requests.
        requests: usize,
        /// Number of responses.
        responses: usize,
    },
    /// A response does not answer its request.
    #[error("{suite}, row {row}: expected {expected}, found {found}")]
    Response {
        /// The suite.
        suite: String,
        /// Name of the row.
        row: String,
        /// What the request asks for.
        expected: String,
        /// What the response is.
        found: String,
    },
    /// Two scores that are no pair cannot be compared.
    #[error("the scores before and after cannot be compared: {reason}")]
    NotAPair {
        /// What differs.
        reason: String,
    },
    /// A setting has a value that it cannot have.
    #[error("{setting} must be {expected}, found {found}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// The values that it may have.
        expected: &'static str,
        /// Its value.
        found: String,
    },
}

impl GeneralError {
    /// The error of a file that cannot be used as a whole.
    pub(crate) fn file(path: &Path, reason: impl ToString) -> Self {
        Self::File {
            path: path.to_path_buf(),
            reason: reason.to_string(),
        }
    }

    /// The error of a line.
    pub(crate) fn line(path: &Path, line: usize, reason: impl ToString) -> Self {
        Self::Line {
            path: path.to_path_buf(),
            line,
            reason: reason.to_string(),
        }
    }
}
