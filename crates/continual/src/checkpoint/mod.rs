//! Checkpoints: what a run saves so that another process can resume it.

mod checksums;
mod folder;
mod identity;
mod policy;

use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleVisitor, Param};
use burn::store::ModuleRecord;
use burn::tensor::{Bool, Bytes, Int, Tensor};
use serde::de::DeserializeOwned;

use crate::error::ContinualError;

pub use folder::Checkpoints;
pub(crate) use identity::{identities, with_identities};
pub use policy::{CheckpointPolicy, NoCheckpoints, Pause};

/// Name of a checkpoint's file that says where the sequence stands. The caller that saves a run may
/// add keys to it.
pub const SEQUENCE_FILE: &str = "sequence.json";

/// One file of a checkpoint.
///
/// Within a run, a name stands for one content: a part whose name is already in the previous
/// checkpoint is not written again.
pub struct StatePart<'a> {
    name: String,
    content: Content<'a>,
}

type Write<'a> = Box<dyn FnOnce(&Path) -> Result<(), ContinualError> + 'a>;
type Made<'a, T> = Box<dyn FnOnce() -> Result<T, ContinualError> + 'a>;

enum Content<'a> {
    Bytes(Made<'a, Vec<u8>>),
    Module {
        write: Write<'a>,
        values: Made<'a, u64>,
    },
}

impl<'a> StatePart<'a> {
    /// A part with the bytes that `make` returns.
    pub fn bytes(
        name: impl Into<String>,
        make: impl FnOnce() -> Result<Vec<u8>, ContinualError> + 'a,
    ) -> Self {
        Self {
            name: name.into(),
            content: Content::Bytes(Box::new(make)),
        }
    }

    /// A part with the parameters of a module and their identities.
    pub fn module<M: Module>(name: impl Into<String>, module: &'a M) -> Self {
        Self {
            name: name.into(),
            content: Content::Module {
                write: Box::new(move |path| {
                    let record = module.clone().into_record();
                    record.save(path).map_err(ContinualError::saving(path))
                }),
                values: Box::new(move || Ok(bytes_of_values(module))),
            },
        }
    }

    /// Its file name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes that the part holds: all of its bytes, or those of the values of a module.
    ///
    /// # Errors
    ///
    /// The error of making the part.
    pub fn size(self) -> Result<u64, ContinualError> {
        match self.content {
            Content::Bytes(make) => Ok(make()?.len() as u64),
            Content::Module { values, .. } => values(),
        }
    }

    /// Writes the part to a file.
    ///
    /// # Errors
    ///
    /// [`ContinualError::Io`] and the error of making the part.
    pub fn write_to(self, path: &Path) -> Result<(), ContinualError> {
        match self.content {
            Content::Bytes(make) => {
                std::fs::write(path, make()?).map_err(ContinualError::io("write", path))
            }
            Content::Module { write, .. } => write(path),
        }
    }
}

/// Bytes of all values of a module, in the number type that each of them has.
fn bytes_of_values<M: Module>(module: &M) -> u64 {
    struct Bytes(u64);
    impl ModuleVisitor for Bytes {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value = param.base();
            self.0 += (value.shape().num_elements() * value.dtype().size()) as u64;
        }
        fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
            let value = param.val();
            self.0 += (value.shape().num_elements() * value.dtype().size()) as u64;
        }
        fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
            let value = param.val();
            self.0 += (value.shape().num_elements() * value.dtype().size()) as u64;
        }
    }
    let mut bytes = Bytes(0);
    module.visit(&mut bytes);
    bytes.0
}

/// A checkpoint on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    path: PathBuf,
}

impl Checkpoint {
    /// A folder with parts that were written one by one, such as those that a method
    /// [`carried`](crate::Method::carried).
    pub fn of_parts(folder: impl Into<PathBuf>) -> Self {
        Self {
            path: folder.into(),
        }
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of the part that begins with `prefix`, if the checkpoint has one.
    pub fn find(&self, prefix: &str) -> Option<String> {
        let entries = std::fs::read_dir(&self.path).ok()?;
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .find(|name| name.starts_with(prefix))
    }

    /// Reads a part as bytes.
    ///
    /// # Errors
    ///
    /// [`ContinualError::Io`].
    pub fn read(&self, name: &str) -> Result<Vec<u8>, ContinualError> {
        let path = self.path.join(name);
        std::fs::read(&path).map_err(ContinualError::io("read", &path))
    }

    /// Reads a part as JSON.
    ///
    /// # Errors
    ///
    /// [`ContinualError::Io`] and [`ContinualError::BrokenCheckpoint`].
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, ContinualError> {
        let bytes = self.read(name)?;
        serde_json::from_slice(&bytes).map_err(|error| self.broken(name, &error))
    }

    /// Loads the parameters of a part and their identities into `module`.
    ///
    /// # Errors
    ///
    /// [`ContinualError::Io`]; [`ContinualError::BrokenCheckpoint`] if the part is damaged or
    /// belongs to a module of another shape.
    pub fn module<M: Module>(&self, name: &str, module: M) -> Result<M, ContinualError> {
        // A record of a file reads every tensor when it is first used. By then, a later checkpoint
        // may have replaced this one, and its files are gone.
        let bytes = Bytes::from_bytes_vec(self.read(name)?);
        let record = ModuleRecord::from_bytes(bytes);
        let record = record.map_err(|error| self.broken(name, &error))?;
        module
            .try_load_record(record)
            .map_err(|error| self.broken(name, &error))
    }

    /// The error for a part with wrong content.
    pub fn broken(&self, name: &str, reason: &dyn std::fmt::Display) -> ContinualError {
        ContinualError::BrokenCheckpoint {
            path: self.path.join(name),
            reason: reason.to_string(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn a_loaded_module_needs_its_file_no_longer() {
        let folder = tempfile::tempdir().unwrap();
        let layer = || LinearConfig::new(3, 2).init(&Device::flex());
        let saved: Linear = layer();
        let path = folder.path().join("layer-1.bpk");
        StatePart::module("layer-1.bpk", &saved)
            .write_to(&path)
            .unwrap();
        let checkpoint = Checkpoint::of_parts(folder.path());
        let loaded: Linear = checkpoint.module("layer-1.bpk", layer()).unwrap();
        // As when a later checkpoint replaces this one.
        std::fs::remove_file(path).unwrap();
        let values = |layer: &Linear| layer.weight.val().into_data();
        assert_eq!(values(&loaded), values(&saved));
    }
}
