//! Writing a trained model to a folder that other tools can load.

use std::io::Write;
use std::path::{Path, PathBuf};

use atomic_write_file::AtomicWriteFile;
use burn::tensor::DType;
use serde_json::Value;

use super::HfFolder;
use super::checkpoint::Checkpoint;
use super::parameters::expected;
use super::weights_out::{self, SHARD_BYTES};
use crate::error::LmError;
use crate::model::{FolderFormat, Pretrained};

/// Prefix of the names of unfinished files and folders: they are being written, or the program ended before
/// they were complete.
const UNFINISHED: &str = ".writing-";

/// Files beside the weights that other tools need to load and use a model.
const COMPANIONS: [&str; 11] = [
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "additional_chat_templates/tool_use.jinja",
    "vocab.json",
    "merges.txt",
    "spiece.model",
];

/// Precision of exported weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExportPrecision {
    /// f32, as trained.
    #[default]
    F32,
    /// Half the size; rounding may remove small changes of a weight.
    Bf16,
    /// Half the size; rounding may remove small changes of a weight.
    F16,
    /// Every tensor in the type that the folder has it in.
    Stored,
}

impl ExportPrecision {
    /// The type of all tensors; `None` if each has its own.
    fn dtype(self) -> Option<DType> {
        match self {
            Self::F32 => Some(DType::F32),
            Self::Bf16 => Some(DType::BF16),
            Self::F16 => Some(DType::F16),
            Self::Stored => None,
        }
    }

    /// Its name in `config.json`.
    fn name(self) -> Option<&'static str> {
        match self {
            Self::F32 => Some("float32"),
            Self::Bf16 => Some("bfloat16"),
            Self::F16 => Some("float16"),
            Self::Stored => None,
        }
    }
}

impl HfFolder {
    /// Writes `module`, which was loaded from this folder, to a new folder of the same layout: the same
    /// tensor names, `config.json`, tokenizer, generation settings and chat template. If `config.json` of
    /// this folder does not state correctly whether the output head is tied, the new one does.
    ///
    /// If something is attached to the weights (adapters, cores), only the merged weights are written.
    ///
    /// Weights of more than 5 GB are divided into several files with an index. The folder is written completely or
    /// not at all.
    ///
    /// # Errors
    ///
    /// [`LmError::Io`] if the folder already exists or cannot be written, [`LmError::Weights`] if the weights
    /// cannot be written, [`LmError::Json`] if `config.json` cannot be written, [`LmError::Unsupported`] if
    /// this folder contains a model of a family that `M` does not support.
    pub fn export<M: Pretrained>(
        &self,
        module: &M,
        out: &Path,
        precision: ExportPrecision,
    ) -> Result<(), LmError> {
        if out.exists() {
            let exists = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
            return Err(LmError::io("export to", out)(exists));
        }
        let parent = match out.parent() {
            Some(parent) if parent != Path::new("") => parent.to_path_buf(),
            _ => PathBuf::from("."),
        };
        std::fs::create_dir_all(&parent).map_err(LmError::io("create", &parent))?;
        let scratch = scratch(0o777)
            .tempdir_in(&parent)
            .map_err(LmError::io("create a folder in", &parent))?;

        let source = self.path.join("config.json");
        let format = FolderFormat::of_config(M::FAMILIES, &self.config, &source)?;
        let module = module.clone().materialize();
        let own_head = expected(&module).iter().any(|e| e.name == format.head);
        let mut config = self.config.clone();
        format.retie(&mut config, !own_head);
        for key in ["torch_dtype", "dtype"] {
            if let (Some(name), true) = (precision.name(), config.get(key).is_some()) {
                config[key] = Value::from(name);
            }
        }
        write_json(&scratch.path().join("config.json"), &config)?;
        for file in COMPANIONS {
            let source = self.path().join(file);
            if source.is_file() {
                let target = scratch.path().join(file);
                if let Some(folder) = target.parent() {
                    std::fs::create_dir_all(folder).map_err(LmError::io("create", folder))?;
                }
                std::fs::copy(&source, &target).map_err(LmError::io("copy", &source))?;
            }
        }
        // The names and types of the folder that the model was read from.
        let stored = match Checkpoint::open(&self.path, format.prefix) {
            Ok(stored) => Some(stored),
            // A new model, whose folder has no weights yet.
            Err(LmError::MissingFile { .. }) => None,
            Err(error) => return Err(error),
        };
        let place = |name: &str| {
            let found = stored.as_ref().and_then(|stored| stored.stored(name));
            let own = stored
                .as_ref()
                .and_then(|stored| stored_type(stored, name, format));
            let dtype = precision.dtype().or(own).unwrap_or(DType::F32);
            let prefix = if name == format.head {
                ""
            } else {
                format.prefix
            };
            (found.unwrap_or_else(|| format!("{prefix}{name}")), dtype)
        };
        let tensors = weights_out::tensors(&module, place);
        weights_out::write(&tensors, scratch.path(), SHARD_BYTES)?;
        sync_all(scratch.path())?;
        std::fs::rename(scratch.path(), out).map_err(LmError::io("write", out))?;
        // After renaming, there is nothing left to clean up.
        let _ = scratch.keep();
        Ok(())
    }
}

/// The type of the tensor that a parameter was read from, which may have another name: that of an alias, or of
/// another copy of the embeddings.
fn stored_type(stored: &Checkpoint, name: &str, format: &FolderFormat) -> Option<DType> {
    let copies = match format.embeddings.contains(&name) {
        true => [format.embeddings, &[format.head]].concat(),
        false => Vec::new(),
    };
    let mut names = [name].into_iter().chain(copies);
    let source = names.find_map(|name| stored.source(name))?;
    stored.tensors[&source].float(&source).ok()
}

pub(super) fn write_json(path: &Path, value: &Value) -> Result<(), LmError> {
    let text = serde_json::to_string_pretty(value).map_err(|error| LmError::Json {
        path: path.to_path_buf(),
        reason: error.to_string(),
    })?;
    // Completely or not at all.
    AtomicWriteFile::open(path)
        .and_then(|mut file| writeln!(file, "{text}").and_then(|()| file.commit()))
        .map_err(LmError::io("write", path))
}

/// A builder of temporary folders with ordinary permissions: by default they are private and would stay so after
/// renaming.
fn scratch(mode: u32) -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    #[cfg(not(unix))]
    let _ = mode;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Reduced by the umask, as for any new file or folder.
        builder.permissions(std::fs::Permissions::from_mode(mode));
    }
    builder
}

fn sync_all(folder: &Path) -> Result<(), LmError> {
    let entries = std::fs::read_dir(folder).map_err(LmError::io("read", folder))?;
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            sync_all(&path)?;
            continue;
        }
        std::fs::File::open(&path)
            .and_then(|file| file.sync_all())
            .map_err(LmError::io("write", &path))?;
    }
    Ok(())
}
