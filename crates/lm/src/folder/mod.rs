//! Model folders in the layout of Hugging Face.

mod fingerprint;
mod read;
mod shards;
mod write;

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use fingerprint::FolderFingerprint;
pub use read::Loaded;
pub use write::{ExportPrecision, UNFINISHED, write_whole};

use crate::family::Family;
use crate::{Framing, LmError, TextTokenizer};

/// A folder with `config.json`, weights and a tokenizer, as other tools write it.
#[derive(Clone, Debug)]
pub struct HfFolder {
    path: PathBuf,
    config: Value,
}

impl HfFolder {
    /// Opens a folder by its `config.json`; weights and tokenizer are read when asked for.
    ///
    /// # Errors
    ///
    /// [`LmError::MissingFile`] or [`LmError::Json`] if there is no readable configuration.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, LmError> {
        let path = path.into();
        let config = read_json(&path, "config.json")?;
        Ok(Self { path, config })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The parsed `config.json`.
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// The model's family, if it is one that is implemented.
    pub(crate) fn family(&self) -> Option<Family> {
        Family::of(self.config["model_type"].as_str()?)
    }

    /// Tokens that end a text, from `generation_config.json` or `config.json`.
    pub fn stop_tokens(&self) -> Vec<u32> {
        let generation = read_json(&self.path, "generation_config.json").unwrap_or(Value::Null);
        [&generation, &self.config]
            .into_iter()
            .map(|json| token_ids(&json["eos_token_id"]))
            .find(|ids| !ids.is_empty())
            .unwrap_or_default()
    }

    /// The folder's tokenizer.
    ///
    /// # Errors
    ///
    /// [`LmError::MissingFile`] without a `tokenizer.json`, [`LmError::Tokenizer`] if it cannot be
    /// read, [`LmError::InvalidConfig`] if it has more tokens than the model has embeddings.
    pub fn tokenizer(&self) -> Result<TextTokenizer, LmError> {
        let file = self.path.join("tokenizer.json");
        if !file.is_file() {
            return Err(LmError::MissingFile {
                folder: self.path.clone(),
                expected: "tokenizer.json".to_string(),
            });
        }
        let framing = match self.family() {
            Some(Family::T5) => Framing::TextToText,
            // Of a family that is not known, only the tokenizer can be used.
            Some(Family::Llama) | None => Framing::Continuation,
        };
        let tokenizer = TextTokenizer::open(&file, self.stop_tokens(), framing)?;
        let embeddings = self.config.get("vocab_size").and_then(Value::as_u64);
        match embeddings {
            Some(embeddings) if tokenizer.vocabulary_size() as u64 > embeddings => {
                Err(LmError::InvalidConfig {
                    path: file,
                    reason: format!(
                        "it has {} tokens, but the model has embeddings for {embeddings} \
                         (vocab_size in config.json)",
                        tokenizer.vocabulary_size()
                    ),
                })
            }
            _ => Ok(tokenizer),
        }
    }
}

/// Hyperparameters from the parsed `config.json` at `path`; an error names the key.
pub(crate) fn parse_config<C: DeserializeOwned>(json: &Value, path: &Path) -> Result<C, LmError> {
    serde_path_to_error::deserialize(json).map_err(|error| {
        let key = error.path().to_string();
        LmError::Json {
            path: path.to_path_buf(),
            reason: match key.as_str() {
                "." => error.into_inner().to_string(),
                _ => format!("{key}: {}", error.into_inner()),
            },
        }
    })
}

/// `eos_token_id` is a number or a list of numbers.
fn token_ids(value: &Value) -> Vec<u32> {
    let one = |v: &Value| v.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Value::Array(ids) => ids.iter().filter_map(one).collect(),
        other => one(other).into_iter().collect(),
    }
}

fn read_json(folder: &Path, name: &str) -> Result<Value, LmError> {
    let path = folder.join(name);
    if !path.is_file() {
        return Err(LmError::MissingFile {
            folder: folder.to_path_buf(),
            expected: name.to_string(),
        });
    }
    let text = std::fs::read_to_string(&path).map_err(LmError::io("read", &path))?;
    serde_json::from_str(&text).map_err(|error| LmError::Json {
        path,
        reason: error.to_string(),
    })
}
