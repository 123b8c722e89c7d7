//! What can go wrong between a folder on disk and a model in memory.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// Errors of reading, writing and using language models.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LmError {
    /// A file or folder cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried (`read`, `write`, …).
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A model folder lacks a file.
    #[error(
        "{} has no {expected}: a Hugging Face model folder holds config.json, tokenizer.json and \
         model.safetensors (or model.safetensors.index.json with its shards)",
        folder.display()
    )]
    MissingFile {
        /// The folder.
        folder: PathBuf,
        /// What was looked for.
        expected: String,
    },
    /// A JSON file is not what it should be.
    #[error("{}: {reason}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Line, column and reason.
        reason: String,
    },
    /// A file holds a pointer of Git LFS in place of its content.
    #[error(
        "{} is a Git LFS pointer, not the file that it stands for: run `git lfs pull` in its \
         repository, or download the file itself",
        path.display()
    )]
    GitLfsPointer {
        /// The file.
        path: PathBuf,
    },
    /// A configuration asks for something that is not implemented.
    #[error(
        "{}: {field} = {found} is not supported; supported: {supported}",
        path.display()
    )]
    Unsupported {
        /// The configuration file.
        path: PathBuf,
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// What is supported.
        supported: String,
    },
    /// A configuration contradicts itself.
    #[error("{}: {reason}", path.display())]
    InvalidConfig {
        /// The configuration file.
        path: PathBuf,
        /// The contradiction.
        reason: String,
    },
    /// A weights file cannot be read.
    #[error("cannot read weights from {}: {reason}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// The reader's reason.
        reason: String,
    },
    /// Tensors that the model needs are in none of the files.
    #[error(
        "{} lacks {} of the tensors that its config.json calls for: {}{}",
        folder.display(), names.len(), names[..names.len().min(4)].join(", "),
        if names.len() > 4 { ", …" } else { "" }
    )]
    MissingTensors {
        /// The folder.
        folder: PathBuf,
        /// The missing tensors, as the files would name them.
        names: Vec<String>,
    },
    /// Two tensors that are one in the model hold different values.
    #[error(
        "{}: tensors {first} and {second} differ, but the model has one tensor for both",
        folder.display()
    )]
    DifferentCopies {
        /// The folder.
        folder: PathBuf,
        /// One of them.
        first: String,
        /// The other.
        second: String,
    },
    /// Nothing says which token ends an answer, or what says so names none of the tokenizer's.
    #[error("{}: {reason}", path.display())]
    EndToken {
        /// The file, or the folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A token has an id that the model has no embedding for.
    #[error(
        "{}: token {id}{} has no embedding: the model has {embeddings} of them (vocab_size in \
         config.json), for ids below {embeddings}",
        path.display(), token.as_ref().map(|token| format!(" ({token:?})")).unwrap_or_default()
    )]
    TokenBeyondEmbeddings {
        /// The file that names the token.
        path: PathBuf,
        /// Its id.
        id: u32,
        /// The token itself, where the tokenizer knows it.
        token: Option<String>,
        /// Number of embeddings.
        embeddings: u64,
    },
    /// The tokenizer file cannot be read, or a text cannot be encoded or decoded.
    #[error("tokenizer: {reason}")]
    Tokenizer {
        /// The tokenizer's reason.
        reason: String,
    },
}

impl LmError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}
