//! Reading and writing model folders in the layout of Hugging Face.

mod checkpoint;
mod fingerprint;
mod parameters;
mod plan;
mod read;
mod shards;
mod tied;
mod tokens;
mod weights_out;
mod write;

use std::path::{Path, PathBuf};

use serde_json::Value;

pub use fingerprint::FolderFingerprint;
pub use parameters::linear_layer_paths;
pub(crate) use parameters::linear_layers;
pub use read::Loaded;
pub use write::ExportPrecision;

use crate::error::LmError;
use crate::families::Model;
use crate::files::read_json;
use crate::model::{FolderFormat, PassNumbers, Pretrained};
use crate::text::Framing;

/// Name of the configuration of an adapter, which a folder may hold in place of a model.
pub(crate) const ADAPTER_CONFIG: &str = "adapter_config.json";
/// Name of its weights.
pub(crate) const ADAPTER_WEIGHTS: &str = "adapter_model.safetensors";

/// A model folder with `config.json`, weights and a tokenizer, in the layout of Hugging Face.
#[derive(Clone, Debug)]
pub struct HfFolder {
    path: PathBuf,
    config: Value,
    /// Formats of the supported families.
    families: &'static [&'static FolderFormat],
}

impl HfFolder {
    /// Opens a folder of any family of [`Model`], given its `config.json`. Weights and tokenizer are only
    /// read on demand.
    ///
    /// # Errors
    ///
    /// The errors of [`open_for`](Self::open_for).
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, LmError> {
        Self::open_for::<Model>(path)
    }

    /// Opens a folder of a family that `M` supports. A folder of another family opens too, but only its
    /// tokenizer can be used.
    ///
    /// # Errors
    ///
    /// [`LmError::MissingFile`], [`LmError::GitLfsPointer`] or [`LmError::Json`] if the folder has no
    /// readable `config.json`, [`LmError::AdapterAlone`] if it has an adapter in place of a model.
    pub fn open_for<M: Pretrained>(path: impl Into<PathBuf>) -> Result<Self, LmError> {
        let path = path.into();
        if !path.join("config.json").is_file() && path.join(ADAPTER_CONFIG).is_file() {
            return Err(LmError::AdapterAlone { folder: path });
        }
        let config = read_json(&path, "config.json")?;
        Ok(Self {
            path,
            config,
            families: M::FAMILIES,
        })
    }

    /// Path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The parsed `config.json`.
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// Number of tokens that the model has embeddings for; `None` if its configuration does not say so.
    pub fn embeddings(&self) -> Option<usize> {
        usize::try_from(self.config["vocab_size"].as_u64()?).ok()
    }

    /// How the model's family makes an example of a prompt and an answer.
    pub(crate) fn framing(&self) -> Framing {
        self.format()
            .map_or(Framing::Continuation, |format| format.framing)
    }

    /// What a pass over the model stores beside its weights; `None` if its family does not count that.
    pub fn pass_numbers(&self) -> Option<PassNumbers> {
        (self.format()?.pass_numbers)(&self.config)
    }

    /// The format of the model's family, if the folder was opened for it.
    fn format(&self) -> Option<&'static FolderFormat> {
        let mut families = self.families.iter().copied();
        families.find(|format| format.reads(&self.config))
    }
}
