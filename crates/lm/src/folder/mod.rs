//! Model folders in the layout of Hugging Face.

mod checkpoint;
mod fingerprint;
mod parameters;
mod plan;
mod read;
mod shards;
mod tied;
mod tokens;
mod write;

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use fingerprint::FolderFingerprint;
pub use read::Loaded;
pub(crate) use tokens::token_ids;
pub use write::{ExportPrecision, UNFINISHED, write_whole};

use crate::LmError;
use crate::family::Family;
use crate::files::read_json;

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
    /// [`LmError::MissingFile`], [`LmError::GitLfsPointer`] or [`LmError::Json`] if there is no readable
    /// configuration.
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
}

/// Hyperparameters from the parsed `config.json` at `path`; an error names the key.
pub(crate) fn parse_config<C: DeserializeOwned>(json: &Value, path: &Path) -> Result<C, LmError> {
    refuse_quantized(json, path)?;
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

/// Quantized weights have tensors of other names and types; what they stand for is the method's own.
fn refuse_quantized(json: &Value, path: &Path) -> Result<(), LmError> {
    let found = &json["quantization_config"];
    if found.is_null() {
        return Ok(());
    }
    Err(LmError::Unsupported {
        path: path.to_path_buf(),
        field: "quantization_config",
        found: match found["quant_method"].as_str() {
            Some(method) => format!("{method:?}"),
            None => found.to_string(),
        },
        supported: "weights in f32, bf16 or f16, which the model's unquantized folder holds",
    })
}
