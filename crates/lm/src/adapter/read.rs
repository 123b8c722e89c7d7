//! Reading an adapter.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{DType, TensorData};
use safetensors::{Dtype, SafeTensors};

use super::config::AdapterConfig;
use super::{Adapter, AdapterLayer, FACTORS, WRAPPED, transposed};
use crate::error::LmError;
use crate::files::refuse_pointer;
use crate::folder::{ADAPTER_WEIGHTS, HfFolder, linear_layers};

impl Adapter {
    /// The model that an adapter's configuration names, as a folder or as a name on the hub; `None` if it
    /// names none.
    ///
    /// # Errors
    ///
    /// [`LmError::NoAdapter`] if the folder has no adapter, and the errors of [`read`](Self::read) for its
    /// configuration.
    pub fn base_model_of(folder: &Path) -> Result<Option<String>, LmError> {
        let named = AdapterConfig::read(folder)?.base_model_name_or_path;
        Ok(named.filter(|name| !name.is_empty()))
    }

    /// Reads the adapter in `folder` for `module`, which was built from `base`.
    ///
    /// # Errors
    ///
    /// [`LmError::NoAdapter`] if the folder has none, [`LmError::Unsupported`] if it is not a plain LoRA
    /// adapter, [`LmError::Json`] and [`LmError::InvalidConfig`] for a configuration that makes no sense,
    /// [`LmError::Weights`] if its tensors do not fit each other or the module, [`LmError::GitLfsPointer`] and
    /// [`LmError::Io`] if a file cannot be read.
    pub fn read<M: Module>(folder: &Path, base: &HfFolder, module: &M) -> Result<Self, LmError> {
        let config = AdapterConfig::read(folder)?;
        let path = folder.join(ADAPTER_WEIGHTS);
        if !path.is_file() {
            return Err(LmError::NoAdapter {
                folder: folder.to_path_buf(),
            });
        }
        refuse_pointer(&path)?;
        let bytes = std::fs::read(&path).map_err(LmError::io("read", &path))?;
        let broken = broken(&path);
        let file = SafeTensors::deserialize(&bytes).map_err(|error| broken(error.to_string()))?;
        let layers: HashMap<String, (String, [usize; 2])> = linear_layers(base, module)
            .into_iter()
            .map(|layer| (layer.name, (layer.path, layer.shape)))
            .collect();
        // By the name of a layer: its two factors.
        let mut factors: BTreeMap<String, [Option<TensorData>; 2]> = BTreeMap::new();
        for (name, view) in file.tensors() {
            let plain = name.replacen(".default.weight", ".weight", 1);
            let parts = FACTORS.iter().enumerate().find_map(|(which, suffix)| {
                let layer = plain.strip_prefix(WRAPPED)?.strip_suffix(suffix)?;
                Some((which, layer.to_string()))
            });
            let Some((which, layer)) = parts else {
                return Err(broken(format!(
                    "tensor {name} is not a factor of a linear layer; expected names like \
                     base_model.model.….q_proj.lora_A.weight"
                )));
            };
            let [rows, columns] = view.shape()[..] else {
                return Err(broken(format!("tensor {name} is not a matrix")));
            };
            let values = values(view.dtype(), view.data()).ok_or_else(|| {
                let dtype = view.dtype();
                broken(format!(
                    "tensor {name} is stored as {dtype}; expected f32, bf16 or f16"
                ))
            })?;
            if values.iter().any(|value| !value.is_finite()) {
                return Err(broken(format!(
                    "tensor {name} has values that are not finite"
                )));
            }
            let data = transposed(&TensorData::new(values, [rows, columns]));
            let before = factors.entry(layer).or_default()[which].replace(data);
            if before.is_some() {
                return Err(broken(format!("two tensors stand for {plain}")));
            }
        }
        let mut found = Vec::new();
        for (layer, factors) in factors {
            let [Some(a), Some(b)] = factors else {
                return Err(broken(format!("{layer} has one factor and not two")));
            };
            let Some((path, [d_in, d_out])) = layers.get(&layer) else {
                return Err(broken(format!(
                    "{layer} is not a linear layer of {}",
                    base.path().display()
                )));
            };
            let adapter_rank = a.shape()[1];
            let other_ranks = config
                .rank_pattern
                .as_ref()
                .is_some_and(|map| !map.is_empty());
            if adapter_rank != config.r && !other_ranks {
                return Err(broken(format!(
                    "the factors of {layer} have rank {adapter_rank}, and adapter_config.json says r = {}",
                    config.r
                )));
            }
            if adapter_rank == 0
                || a.shape()[..] != [*d_in, adapter_rank]
                || b.shape()[..] != [adapter_rank, *d_out]
            {
                return Err(broken(format!(
                    "the factors of {layer} have shapes {:?} and {:?}, which do not fit a layer of {d_in} inputs \
                     and {d_out} outputs",
                    [a.shape()[1], a.shape()[0]],
                    [b.shape()[1], b.shape()[0]],
                )));
            }
            found.push(AdapterLayer {
                path: path.clone(),
                scale: config.scale(adapter_rank),
                a,
                b,
            });
        }
        if found.is_empty() {
            return Err(broken("it has no tensors".to_string()));
        }
        Ok(Self {
            adapter_rank: config.r,
            alpha: config.lora_alpha,
            layers: found,
        })
    }
}

fn broken(path: &Path) -> impl Fn(String) -> LmError {
    let path: PathBuf = path.to_path_buf();
    move |reason| LmError::Weights {
        path: path.clone(),
        reason,
    }
}

/// Stored values in f32; `None` for a type that is not read.
fn values(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    let (dtype, size) = match dtype {
        Dtype::F32 => (DType::F32, 4),
        Dtype::BF16 => (DType::BF16, 2),
        Dtype::F16 => (DType::F16, 2),
        _ => return None,
    };
    let data = TensorData::from_bytes_vec(bytes.to_vec(), [bytes.len() / size], dtype);
    Some(data.iter::<f32>().collect())
}
