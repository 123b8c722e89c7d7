//! What a run leaves on disk so that another process can go on with it.

mod folder;
mod identity;
mod policy;

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::store::ModuleRecord;
use serde::de::DeserializeOwned;

use crate::error::ContinualError;

pub use folder::Checkpoints;
pub(crate) use identity::{identified, identities};
pub use policy::{CheckpointPolicy, NoCheckpoints, Pause};

/// Name of the file of a checkpoint that says where the sequence stands; whoever keeps the run may
/// add keys of their own.
pub const SEQUENCE_FILE: &str = "sequence.json";

type Write<'a> = Box<dyn FnOnce(&Path) -> Result<(), ContinualError> + 'a>;

/// One file of a checkpoint, written only if the last checkpoint does not have it: a name stands
/// for one content during a run.
pub struct StatePart<'a> {
    name: String,
    write: Write<'a>,
}

impl<'a> StatePart<'a> {
    /// A part that is `make`'s bytes.
    pub fn bytes(
        name: impl Into<String>,
        make: impl FnOnce() -> Result<Vec<u8>, ContinualError> + 'a,
    ) -> Self {
        Self {
            name: name.into(),
            write: Box::new(move |path| {
                let bytes = make()?;
                std::fs::write(path, bytes).map_err(ContinualError::io("write", path))
            }),
        }
    }

    /// A part that is the parameters of a module, their identities included.
    pub fn module<M: Module>(name: impl Into<String>, module: &'a M) -> Self {
        Self {
            name: name.into(),
            write: Box::new(move |path| {
                let record = module.clone().into_record();
                record.save(path).map_err(ContinualError::saving(path))
            }),
        }
    }

    /// Its file name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Writes it to a file.
    ///
    /// # Errors
    ///
    /// [`ContinualError::Io`] and whatever keeps the part from being made.
    pub fn write_to(self, path: &Path) -> Result<(), ContinualError> {
        (self.write)(path)
    }
}

/// A checkpoint on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    path: PathBuf,
}

impl Checkpoint {
    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Name of the one part whose name begins with `prefix`, if there is one.
    pub fn find(&self, prefix: &str) -> Option<String> {
        let entries = std::fs::read_dir(&self.path).ok()?;
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .find(|name| name.starts_with(prefix))
    }

    /// A part as bytes.
    ///
    /// # Errors
    ///
    /// [`ContinualError::Io`].
    pub fn read(&self, name: &str) -> Result<Vec<u8>, ContinualError> {
        let path = self.path.join(name);
        std::fs::read(&path).map_err(ContinualError::io("read", &path))
    }

    /// A part that is JSON.
    ///
    /// # Errors
    ///
    /// [`ContinualError::Io`], [`ContinualError::BrokenCheckpoint`].
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, ContinualError> {
        let bytes = self.read(name)?;
        serde_json::from_slice(&bytes).map_err(|error| self.broken(name, &error))
    }

    /// `module` with the parameters of a part, identities included.
    ///
    /// # Errors
    ///
    /// [`ContinualError::BrokenCheckpoint`] if they are not those of such a module.
    pub fn module<M: Module>(&self, name: &str, module: M) -> Result<M, ContinualError> {
        let record = ModuleRecord::load(self.path.join(name));
        let record = record.map_err(|error| self.broken(name, &error))?;
        module
            .try_load_record(record)
            .map_err(|error| self.broken(name, &error))
    }

    /// The error of a part that does not hold what it should.
    pub fn broken(&self, name: &str, reason: &dyn std::fmt::Display) -> ContinualError {
        ContinualError::BrokenCheckpoint {
            path: self.path.join(name),
            reason: reason.to_string(),
        }
    }
}
