//! Writes the tensors of a module to safetensors files: one, or several with an index.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

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

/// Its bytes exist only while they are written.
impl View for &Out {
    fn dtype(&self) -> Dtype {
        match self.dtype {
            DType::BF16 => Dtype::BF16,
            DType::F16 => Dtype::F16,
            DType::F64 => Dtype::F64,
            _ => Dtype::F32,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.tensor.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let data = bridge::to_data(&self.tensor);
        let data = data.map(|data| data.convert_dtype(self.dtype));
        // A tensor without its bytes is noticed as too short when the file is written.
        Cow::Owned(data.map_or_else(|_| Vec::new(), |data| data.as_bytes().to_vec()))
    }

    fn data_len(&self) -> usize {
        self.bytes()
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
    let named = tensors.iter().map(|&tensor| (tensor.name.as_str(), tensor));
    serialize_to_file(named, Some(metadata), path).map_err(|error| LmError::Weights {
        path: path.to_path_buf(),
        reason: format!("cannot write it: {error}"),
    })
}
