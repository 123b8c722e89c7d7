//! Reads JSON files, and recognises files of other formats.

mod not_json;
mod place;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

pub use not_json::NotJson;
pub use place::Place;

/// The content of a suite's JSON file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// Rows of a task.
    Rows,
    /// The labels of a task.
    Labels,
    /// The description of a suite.
    Suite,
}

impl fmt::Display for Content {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Rows => "array of rows",
            Self::Labels => "array of labels",
            Self::Suite => "object that describes a suite",
        })
    }
}

/// Why a file does not contain the expected JSON value.
pub(crate) enum ReadError {
    /// The file cannot be read.
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    /// The file has another, known format.
    NotJson { path: PathBuf, found: NotJson },
    /// Any other error; the reason gives line and column.
    Json { path: PathBuf, reason: String },
}

/// Reads a file with one JSON value.
///
/// # Errors
///
/// The variants of [`ReadError`].
pub(crate) fn read<T: DeserializeOwned>(path: &Path, content: Content) -> Result<T, ReadError> {
    let bytes = std::fs::read(path).map_err(|source| ReadError::Io {
        path: path.to_path_buf(),
        source,
    })?;
    let not_json = |found| ReadError::NotJson {
        path: path.to_path_buf(),
        found,
    };
    let text = NotJson::check(&bytes, content).map_err(not_json)?;
    serde_json::from_str(text).map_err(|error| {
        if let Some(found) = NotJson::behind(&error, text, content) {
            return not_json(found);
        }
        let reason = match error.is_data() {
            true => format!("not a JSON {content}: {error}"),
            false => error.to_string(),
        };
        ReadError::Json {
            path: path.to_path_buf(),
            reason,
        }
    })
}
