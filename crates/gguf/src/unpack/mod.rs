//! Writing a Hugging Face folder.

mod safetensors_file;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::error::GgufError;
use crate::file::Gguf;

/// Beginning of the names of unfinished folders.
const UNFINISHED: &str = ".writing-";

impl Gguf {
    /// Writes the Hugging Face folder of the model, with weights in f32: `config.json`, `model.safetensors`,
    /// `tokenizer.json`, `tokenizer_config.json` and `generation_config.json`. The folder is written completely or
    /// not at all.
    ///
    /// At most one tensor is in memory at a time.
    ///
    /// # Errors
    ///
    /// [`GgufError::Io`] if the folder already exists or cannot be written, and the errors of
    /// [`config`](Gguf::config), [`tokenizer`](Gguf::tokenizer), [`weights`](Gguf::weights) and
    /// [`weight_values`](Gguf::weight_values).
    pub fn unpack(&self, folder: impl AsRef<Path>) -> Result<(), GgufError> {
        let folder = folder.as_ref();
        if folder.exists() {
            let exists = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
            return Err(GgufError::io("unpack to", folder)(exists));
        }
        // What can be refused is refused before anything is written.
        let tokenizer = self.tokenizer()?;
        let config = self.config()?;
        let weights = self.weights()?;
        let parent = match folder.parent() {
            Some(parent) if parent != Path::new("") => parent.to_path_buf(),
            _ => PathBuf::from("."),
        };
        std::fs::create_dir_all(&parent).map_err(GgufError::io("create", &parent))?;
        let unfinished = unfinished_folder()
            .tempdir_in(&parent)
            .map_err(GgufError::io("create a folder in", &parent))?;
        let files: [(&str, &Json); 4] = [
            ("config.json", &config),
            ("tokenizer.json", &tokenizer.tokenizer),
            ("tokenizer_config.json", &tokenizer.tokenizer_config),
            ("generation_config.json", &tokenizer.generation_config),
        ];
        for (name, json) in files {
            let path = unfinished.path().join(name);
            write_json(&path, json).map_err(GgufError::io("write", &path))?;
        }
        let path = unfinished.path().join("model.safetensors");
        safetensors_file::write(self, &weights, &path)?;
        match std::fs::rename(unfinished.path(), folder) {
            // After renaming, there is nothing left to clean up.
            Ok(()) => drop(unfinished.keep()),
            // Another process was faster; what it wrote is of the same file.
            Err(_) if folder.is_dir() => {}
            Err(error) => return Err(GgufError::io("write", folder)(error)),
        }
        Ok(())
    }
}

fn write_json(path: &Path, json: &Json) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(format!("{json:#}\n").as_bytes())?;
    file.sync_all()
}

/// A builder of temporary folders with ordinary permissions: by default they are private and would stay so after
/// renaming.
fn unfinished_folder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Reduced by the umask, as for any new folder.
        builder.permissions(std::fs::Permissions::from_mode(0o777));
    }
    builder
}
