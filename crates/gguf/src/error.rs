//! Errors of reading and unpacking GGUF files.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// Errors of reading and unpacking GGUF files.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GgufError {
    /// A file or folder cannot be read or written.
    #[error("cannot {action} {}: {error}", path.display())]
    Io {
        /// What was tried: "read", "write".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Reason given by the operating system.
        error: std::io::Error,
    },
    /// A file is something else.
    #[error("{} is not a GGUF file: {reason}", path.display())]
    NotGguf {
        /// The file.
        path: PathBuf,
        /// What it is, or how it begins.
        reason: String,
    },
    /// Metadata or the table of tensors contradict the format or the size of the file.
    #[error("{} is damaged at byte {position}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where reading stopped.
        position: u64,
        /// What was expected and what was found.
        reason: String,
    },
    /// A file asks for something that this crate does not do.
    #[error("{}: {what} {found:?} is not supported; supported: {supported}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What kind of thing it is, such as "architecture".
        what: String,
        /// Its name in the file.
        found: String,
        /// What is supported instead.
        supported: String,
    },
    /// A metadata entry is missing, or its value cannot be used.
    #[error("{}: metadata {key:?}: {reason}", path.display())]
    Metadata {
        /// The file.
        path: PathBuf,
        /// The key of the entry.
        key: String,
        /// What was expected and what was found.
        reason: String,
    },
    /// A tensor is missing, or cannot be used.
    #[error("{}: tensor {name:?}: {reason}", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// Name of the tensor in the file.
        name: String,
        /// What was expected and what was found.
        reason: String,
    },
}

impl GgufError {
    /// Makes the error of an action on a file from the operating system's reason.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |error| Self::Io {
            action,
            path,
            error,
        }
    }

    pub(crate) fn unsupported(path: &Path, what: &str, found: &str, supported: &str) -> Self {
        Self::Unsupported {
            path: path.to_path_buf(),
            what: what.to_string(),
            found: found.to_string(),
            supported: supported.to_string(),
        }
    }

    pub(crate) fn metadata(path: &Path, key: &str, reason: impl Into<String>) -> Self {
        Self::Metadata {
            path: path.to_path_buf(),
            key: key.to_string(),
            reason: reason.into(),
        }
    }

    pub(crate) fn tensor(path: &Path, name: &str, reason: impl Into<String>) -> Self {
        Self::Tensor {
            path: path.to_path_buf(),
            name: name.to_string(),
            reason: reason.into(),
        }
    }
}
