//! Errors of reading, writing and using language models.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// Errors of reading, writing and using language models.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LmError {
    /// A file or folder cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The attempted action (`read`, `write`, …).
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Reason given by the operating system.
        source: std::io::Error,
    },
    /// A model folder lacks a file.
    #[error(
        "{} {}: a Hugging Face model folder holds config.json, tokenizer.json and \
         model.safetensors (or model.safetensors.index.json with its shards)",
        folder.display(),
        match (folder.is_dir(), folder.exists()) {
            (true, _) => format!("has no {expected}"),
            (false, true) => "is not a folder".to_string(),
            (false, false) => "does not exist".to_string(),
        }
    )]
    MissingFile {
        /// The folder.
        folder: PathBuf,
        /// The missing file.
        expected: String,
    },
    /// A folder has no adapter.
    #[error(
        "{} {}: expected adapter_config.json and adapter_model.safetensors",
        folder.display(),
        match (folder.is_dir(), folder.join("adapter_model.bin").is_file()) {
            (false, _) => "is not a folder",
            (_, true) => "has an adapter as a pickle, which is not read; save it as safetensors",
            _ => "has no adapter",
        }
    )]
    NoAdapter {
        /// The folder.
        folder: PathBuf,
    },
    /// A folder has an adapter where a model is expected.
    #[error(
        "{} has an adapter (adapter_config.json) and no model: merge it into its model first, with \
         `osft merge`",
        folder.display()
    )]
    AdapterAlone {
        /// The folder.
        folder: PathBuf,
    },
    /// A JSON file cannot be parsed or has the wrong content.
    #[error("{}: {reason}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Line, column and reason.
        reason: String,
    },
    /// A file contains a Git LFS pointer in place of its content.
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
    /// A chat template has a mistake.
    #[error("chat template {}: {reason}", path.display())]
    ChatTemplate {
        /// The file that contains it.
        path: PathBuf,
        /// Line and reason.
        reason: String,
    },
    /// A conversation cannot be used.
    #[error("{reason}")]
    Conversation {
        /// What is wrong with it.
        reason: String,
    },
    /// A weights file cannot be read.
    #[error("cannot read weights from {}: {reason}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong with the file.
        reason: String,
    },
    /// Tensors that the model needs are in no weight file.
    #[error(
        "{} lacks {} of the tensors that its config.json calls for: {}{}",
        folder.display(), names.len(), names[..names.len().min(4)].join(", "),
        if names.len() > 4 { ", …" } else { "" }
    )]
    MissingTensors {
        /// The folder.
        folder: PathBuf,
        /// Names of the missing tensors in the naming of the files.
        names: Vec<String>,
    },
    /// Two stored tensors differ, although the model has one tensor for both.
    #[error(
        "{}: tensors {first} and {second} differ, but the model has one tensor for both",
        folder.display()
    )]
    DifferentCopies {
        /// The folder.
        folder: PathBuf,
        /// Name of the first tensor.
        first: String,
        /// Name of the second tensor.
        second: String,
    },
    /// No file names the token that ends an answer, or the named token is not in the tokenizer.
    #[error("{}: {reason}", path.display())]
    EndToken {
        /// The file, or the folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The model has no embedding for the id of a token.
    #[error(
        "{}: token {id}{} has no embedding: the model has {embeddings} of them (vocab_size in \
         config.json), for ids below {embeddings}",
        path.display(), token.as_ref().map(|token| format!(" ({token:?})")).unwrap_or_default()
    )]
    TokenBeyondEmbeddings {
        /// The file that names the token.
        path: PathBuf,
        /// Id of the token.
        id: u32,
        /// Text of the token, if the tokenizer has it.
        token: Option<String>,
        /// Number of embeddings.
        embeddings: u64,
    },
    /// The tokenizer file cannot be read, or a text cannot be encoded or decoded.
    #[error("tokenizer: {reason}")]
    Tokenizer {
        /// What is wrong, as the tokenizer reports it.
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
