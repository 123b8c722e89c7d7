//! Writes the tensors of a module to safetensors files: one, or several with an index.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use burn::store::{BurnToPyTorchAdapter, ModuleSnapshot, bridge, burn_pack};
use burn::tensor::DType;
use safetensors::{Dtype, View, serialize_to_file};
use serde_json::json;

use super::shards::{INDEX, SINGLE};
use crate::error::LmError;

/// Most bytes of tensors in one file, as in transformers.
pub(super) const SHARD_BYTES: usize = 5_000_000_000;

/// A tensor with its name in the files and the type that it is stored in.
pub(super) struct Out {
    pub name: String,
    dtype: DType,
    tensor: burn_pack::Tensor,
}

/// The tensors of a module, in its order. `place` gives the name and the stored type of a parameter, from its name
/// without the family's prefix.
pub(super) fn tensors<M: ModuleSnapshot>(
    module: &M,
    place: impl Fn(&str) -> (String, DType),
) -> Vec<Out> {
    let collected = module.collect(None, Some(Box::new(BurnToPyTorchAdapter)), false);
    let out = collected.into_iter().map(|tensor| {
        let (name, dtype) = place(&tensor.name);
        Out {
            name,
            dtype,
            tensor,
        }
    });
    out.collect()
}

impl Out {
    fn bytes(&self) -> usize {
        self.tensor.shape.num_elements() * self.dtype.size()
    }
}

/// A tensor whose bytes exist only while they are written.
struct Writing<'a> {
    out: &'a Out,
    /// The library's trait cannot report an error: the first one is kept here.
    failed: &'a Mutex<Option<String>>,
}

impl View for Writing<'_> {
    fn dtype(&self) -> Dtype {
        match self.out.dtype {
            DType::BF16 => Dtype::BF16,
            DType::F16 => Dtype::F16,
            DType::F64 => Dtype::F64,
            _ => Dtype::F32,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.out.tensor.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match bridge::to_data(&self.out.tensor) {
            Ok(data) => Cow::Owned(data.convert_dtype(self.out.dtype).as_bytes().to_vec()),
            Err(error) => {
                let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                failed.get_or_insert_with(|| {
                    format!("tensor {} cannot be read: {error}", self.out.name)
                });
                Cow::Borrowed(&[])
            }
        }
    }

    fn data_len(&self) -> usize {
        self.out.bytes()
    }
}

/// Writes tensors into a folder, in files of at most `most` bytes of tensors (a larger tensor has a file of its own).
///
/// # Errors
///
/// [`LmError::Weights`] if a file cannot be written, [`LmError::Io`] for the index.
pub(super) fn write(tensors: &[Out], folder: &Path, most: usize) -> Result<(), LmError> {
    let mut shards: Vec<Vec<&Out>> = Vec::new();
    let mut filled = usize::MAX;
    for tensor in tensors {
        let bytes = tensor.bytes();
        if filled.saturating_add(bytes) > most {
            shards.push(Vec::new());
            filled = 0;
        }
        filled += bytes;
        if let Some(shard) = shards.last_mut() {
            shard.push(tensor);
        }
    }
    if let [all] = shards.as_slice() {
        return write_file(all, &folder.join(SINGLE));
    }
    let count = shards.len();
    let mut map = BTreeMap::new();
    for (index, shard) in shards.iter().enumerate() {
        let file = format!("model-{:05}-of-{count:05}.safetensors", index + 1);
        write_file(shard, &folder.join(&file))?;
        map.extend(
            shard
                .iter()
                .map(|tensor| (tensor.name.clone(), file.clone())),
        );
    }
    let total: usize = tensors.iter().map(Out::bytes).sum();
    let index = json!({"metadata": {"total_size": total}, "weight_map": map});
    super::write::write_json(&folder.join(INDEX), &index)
}

fn write_file(tensors: &[&Out], path: &Path) -> Result<(), LmError> {
    // Other tools need this key to recognize a file of torch tensors.
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    let failed = Mutex::new(None);
    let named = tensors.iter().map(|&out| {
        let writing = Writing {
            out,
            failed: &failed,
        };
        (out.name.as_str(), writing)
    });
    // With the permissions of a new file: the library's own are for its owner alone.
    let new = std::fs::File::create(path).and_then(|file| file.metadata());
    let permissions = new.map_err(LmError::io("write", path))?.permissions();
    let written = serialize_to_file(named, Some(metadata), path).map_err(|error| error.to_string());
    // Without a tensor's bytes the file is written all the same, and wrong.
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed
        .map_or(written, Err)
        .map_err(|reason| LmError::Weights {
            path: path.to_path_buf(),
            reason: format!("cannot write it: {reason}"),
        })?;
    std::fs::set_permissions(path, permissions).map_err(LmError::io("write", path))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::module::Module;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::{Device, TensorData};
    use safetensors::SafeTensors;

    use super::*;

    #[derive(Module, Debug)]
    struct Three {
        a: Linear,
        b: Linear,
        c: Linear,
    }

    #[test]
    fn a_tensor_that_cannot_be_read_back_is_an_error() {
        let tensor = |lost: bool| {
            let values = move || match lost {
                true => Err(burn_pack::Error::IoError("the device is lost".to_string())),
                false => Ok(TensorData::new(vec![1f32, 2.0], [2])),
            };
            let name = if lost { "lost" } else { "there" }.to_string();
            let shape = vec![2usize].into();
            Out {
                name: name.clone(),
                dtype: DType::F32,
                tensor: bridge::deferred(name, DType::F32, shape, None, values),
            }
        };
        let folder = tempfile::tempdir().unwrap();
        let error = write(&[tensor(false), tensor(true)], folder.path(), SHARD_BYTES).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("lost") && error.contains("the device is lost"),
            "{error}"
        );
        write(&[tensor(false)], folder.path(), SHARD_BYTES).unwrap();
    }

    #[test]
    fn large_weights_are_divided_and_the_index_names_every_tensor() {
        let device = Device::flex();
        let layer = |width| LinearConfig::new(8, width).with_bias(false).init(&device);
        let three = Three {
            a: layer(4),
            b: layer(4),
            c: layer(32),
        };
        let tensors = tensors(&three, |name| (format!("m.{name}"), DType::F16));
        // Two small tensors of 64 bytes fit together, the large one of 512 has a file of its own.
        for (most, expected) in [(128, vec![2, 1]), (64, vec![1, 1, 1]), (1 << 20, vec![3])] {
            let folder = tempfile::tempdir().unwrap();
            write(&tensors, folder.path(), most).unwrap();
            let files = match expected.len() {
                1 => vec![SINGLE.to_string()],
                count => (1..=count)
                    .map(|n| format!("model-{n:05}-of-{count:05}.safetensors"))
                    .collect(),
            };
            for (file, count) in files.iter().zip(&expected) {
                let bytes = std::fs::read(folder.path().join(file)).unwrap();
                let read = SafeTensors::deserialize(&bytes).unwrap();
                assert_eq!(read.len(), *count, "{most}");
                assert!(read.iter().all(|(_, tensor)| tensor.dtype() == Dtype::F16));
            }
            let index = std::fs::read(folder.path().join(INDEX));
            assert_eq!(index.is_ok(), expected.len() > 1);
            if let Ok(index) = index {
                let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
                assert_eq!(index["metadata"]["total_size"], 640);
                let last = format!("model-{0:05}-of-{0:05}.safetensors", expected.len());
                assert_eq!(index["weight_map"]["m.c.weight"], last);
            }
        }
    }
}
