//! Reads JSON files, and says what a file is that is no JSON.

mod not_json;
mod place;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

pub use not_json::NotJson;
pub use place::Place;

/// What a JSON file of a suite holds.
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

/// Why a file does not give the JSON value that it should hold.
pub(crate) enum ReadError {
    /// The file cannot be read.
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    /// The file is something else that has a name.
    NotJson { path: PathBuf, found: NotJson },
    /// Any other fault; the reason holds line and column.
    Json { path: PathBuf, reason: String },
}

/// Reads a file that holds one JSON value.
///
/// # Errors
///
/// See [`ReadError`].
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
