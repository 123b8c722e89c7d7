//! Weights in a safetensors file.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use safetensors::{Dtype, SafeTensorError, View, serialize_to_file};

use crate::architecture::Weight;
use crate::error::GgufError;
use crate::file::Gguf;

/// A weight whose bytes exist only while they are written.
struct Out<'a> {
    file: &'a Gguf,
    weight: &'a Weight,
    /// The library's trait cannot report an error: the first one is kept here.
    failed: &'a Mutex<Option<GgufError>>,
}

impl View for Out<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.weight.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self.file.weight_values(self.weight) {
            Ok(values) => values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
            Err(error) => {
                let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                failed.get_or_insert(error);
                Cow::Borrowed(&[])
            }
        }
    }

    fn data_len(&self) -> usize {
        4 * self.weight.shape.iter().product::<usize>()
    }
}

/// Writes all weights as f32.
///
/// # Errors
///
/// [`GgufError::Io`] if the file cannot be written, and the errors of [`Gguf::weight_values`].
pub(super) fn write(file: &Gguf, weights: &[Weight], path: &Path) -> Result<(), GgufError> {
    let failed = Mutex::new(None);
    let named = weights.iter().map(|weight| {
        let out = Out {
            file,
            weight,
            failed: &failed,
        };
        (weight.name.as_str(), out)
    });
    // Other tools need this key to recognize a file of torch tensors.
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    // With the permissions of a new file: the library's own are for its owner alone.
    let new = File::create(path).and_then(|file| file.metadata());
    let permissions = new.map_err(GgufError::io("write", path))?.permissions();
    let written = serialize_to_file(named, Some(metadata), path);
    if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let written = written.map_err(|error| match error {
        SafeTensorError::IoError(error) => error,
        other => std::io::Error::other(other.to_string()),
    });
    written
        .and_then(|()| std::fs::set_permissions(path, permissions))
        .and_then(|()| File::open(path)?.sync_all())
        .map_err(GgufError::io("write", path))
}
