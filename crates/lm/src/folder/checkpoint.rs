//! The tensors of a folder's weight files, by name. Their values are read on demand.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use burn::store::{bridge, burn_pack};
use burn::tensor::{DType, TensorData};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::shards::{WeightFiles, weight_files};
use crate::error::LmError;
use crate::files::refuse_pointer;

/// Prefix of tensor names that programs write which store the model in a field.
const WRAPPED: &str = "model.";
/// Number of values that are compared at a time.
const COMPARED: usize = 1 << 20;

/// Location and layout of a stored tensor.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub file: PathBuf,
    pub shape: Vec<usize>,
    dtype: Dtype,
    /// Position of its first byte in the file.
    start: u64,
}

/// The tensors of all weight files of a folder.
pub(super) struct Checkpoint {
    pub tensors: BTreeMap<String, Stored>,
    /// Aliases: names without a tensor of their own, and the tensor that each name stands for.
    /// `safetensors.torch.save_model` writes a shared tensor once, and its other names into the metadata.
    pub aliases: BTreeMap<String, String>,
    /// Optional prefix of the names.
    prefix: &'static str,
}

impl Checkpoint {
    /// Reads the headers of a folder's weight files. Names of tensors may begin with `prefix`.
    pub(super) fn open(folder: &Path, prefix: &'static str) -> Result<Self, LmError> {
        let WeightFiles { files, map } = weight_files(folder)?;
        let mut tensors = BTreeMap::new();
        let mut aliases = BTreeMap::new();
        for file in files {
            let (metadata, start) = header(&file)?;
            for (name, info) in metadata.tensors() {
                // If several shards contain a tensor, the one that the index names is used.
                let elsewhere = map.get(&name).is_some_and(|place| !file.ends_with(place));
                if elsewhere && tensors.contains_key(&name) {
                    continue;
                }
                tensors.insert(name, Stored::new(&file, info, start));
            }
            aliases.extend(metadata.metadata().clone().unwrap_or_default());
        }
        // Most metadata is no alias: the file's format, for instance.
        aliases.retain(|name, target| !tensors.contains_key(name) && tensors.contains_key(target));
        Ok(Self {
            tensors,
            aliases,
            prefix,
        })
    }

    /// Whether a tensor has exactly this name.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The name under which a parameter is stored, with or without a prefix.
    pub(super) fn stored(&self, name: &str) -> Option<String> {
        self.names(name).find(|name| self.contains(name))
    }

    /// The names that a parameter may have in the files.
    fn names(&self, name: &str) -> impl Iterator<Item = String> {
        let prefixes = ["", self.prefix, WRAPPED].into_iter();
        prefixes.map(move |prefix| format!("{prefix}{name}"))
    }

    /// The tensor that is an alias's target, if a parameter's name is an alias.
    pub(super) fn alias(&self, name: &str) -> Option<String> {
        let mut names = self.names(name);
        names.find_map(|name| self.aliases.get(&name).cloned())
    }

    /// The tensor of a parameter: under its own name, or by an alias.
    pub(super) fn source(&self, name: &str) -> Option<String> {
        self.stored(name).or_else(|| self.alias(name))
    }

    /// Whether two tensors have the same values, whatever their stored types.
    pub(super) fn same_values(&self, first: &str, second: &str) -> Result<bool, LmError> {
        if first == second {
            return Ok(true);
        }
        let (Some(a), Some(b)) = (self.tensors.get(first), self.tensors.get(second)) else {
            return Ok(false);
        };
        if a.shape != b.shape {
            return Ok(false);
        }
        let count: usize = a.shape.iter().product();
        for start in (0..count).step_by(COMPARED) {
            let part = start..count.min(start + COMPARED);
            if a.values(first, part.clone())? != b.values(second, part)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Stored {
    fn new(file: &Path, info: &TensorInfo, data: u64) -> Self {
        Self {
            file: file.to_path_buf(),
            shape: info.shape.clone(),
            dtype: info.dtype,
            start: data + info.data_offsets.0 as u64,
        }
    }

    /// The stored type of a tensor of weights.
    ///
    /// # Errors
    ///
    /// [`LmError::Weights`] if it is not a supported floating-point type.
    pub(super) fn float(&self, name: &str) -> Result<DType, LmError> {
        match self.dtype {
            Dtype::F32 => Ok(DType::F32),
            Dtype::BF16 => Ok(DType::BF16),
            Dtype::F16 => Ok(DType::F16),
            Dtype::F64 => Ok(DType::F64),
            other => Err(LmError::Weights {
                path: self.file.clone(),
                reason: format!(
                    "tensor {name} is stored as {other}; weights are read from f64, f32, bf16 and f16"
                ),
            }),
        }
    }

    /// The tensor for a module, which reads its values when it needs them.
    pub(super) fn deferred(&self, path: String, dtype: DType) -> burn_pack::Tensor {
        let stored = self.clone();
        let shape = self.shape.clone();
        bridge::deferred(path, dtype, self.shape.clone().into(), None, move || {
            let count = shape.iter().product::<usize>();
            let bytes = stored
                .bytes(0, count * dtype.size())
                .map_err(|error| burn_pack::Error::IoError(error.to_string()))?;
            TensorData::try_from_bytes_vec(bytes, shape.clone(), dtype)
                .map_err(|error| burn_pack::Error::ValidationError(error.to_string()))
        })
    }

    /// The values of a range, in order.
    fn values(&self, name: &str, part: Range<usize>) -> Result<Vec<f64>, LmError> {
        let dtype = self.float(name)?;
        let size = dtype.size();
        let bytes = self
            .bytes((part.start * size) as u64, part.len() * size)
            .map_err(LmError::io("read", &self.file))?;
        let weights = |reason: String| LmError::Weights {
            path: self.file.clone(),
            reason,
        };
        let data = TensorData::try_from_bytes_vec(bytes, [part.len()], dtype)
            .map_err(|error| weights(error.to_string()))?;
        Ok(data.iter::<f64>().collect())
    }

    fn bytes(&self, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
        let mut file = File::open(&self.file)?;
        file.seek(SeekFrom::Start(self.start + offset))?;
        let mut bytes = vec![0; length];
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// The header of a weight file, and the position where the bytes of its tensors begin.
fn header(path: &Path) -> Result<(Metadata, u64), LmError> {
    refuse_pointer(path)?;
    let failed = |reason: String| LmError::Weights {
        path: path.to_path_buf(),
        reason,
    };
    let mut file = File::open(path).map_err(LmError::io("read", path))?;
    let length = file.metadata().map_err(LmError::io("read", path))?.len();
    let mut size = [0; 8];
    file.read_exact(&mut size)
        .map_err(|_| failed("it is too short for a safetensors file".to_string()))?;
    let size = u64::from_le_bytes(size);
    let start = size.saturating_add(8);
    if start > length {
        return Err(failed(
            "it is no safetensors file, or only the beginning of one".to_string(),
        ));
    }
    let mut header = Vec::new();
    file.take(size)
        .read_to_end(&mut header)
        .map_err(LmError::io("read", path))?;
    let metadata: Metadata =
        serde_json::from_slice(&header).map_err(|error| failed(format!("its header: {error}")))?;
    let expected = start + metadata.data_len() as u64;
    match length == expected {
        true => Ok((metadata, start)),
        false => Err(failed(format!(
            "it has {length} bytes where its header calls for {expected}"
        ))),
    }
}
