//! Saves adapters as a part of a checkpoint, and reads them back.

use std::collections::HashMap;

use ::osft::SelectedTarget;
use burn::module::ParamId;
use burn::tensor::TensorData;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::{Adapter, Layer};
use crate::checkpoint::{Checkpoint, StatePart};
use crate::error::ContinualError;

const NAME: &str = "adapters-";
/// Key of the version in the file's metadata.
const VERSION: &str = "version";

/// Writes the adapters as one safetensors file: `N.a`, `N.b` and `N.earlier.M` for target `N`, with
/// the identities of a target's factors as metadata.
pub(super) fn part(version: usize, layers: &[Layer]) -> StatePart<'_> {
    let name = format!("{NAME}{version}.safetensors");
    let path = name.clone();
    StatePart::bytes(name, move || {
        let mut metadata = HashMap::from([(VERSION.to_string(), version.to_string())]);
        let mut tensors: Vec<(String, &TensorData)> = Vec::new();
        for (index, layer) in layers.iter().enumerate() {
            if let Some(adapter) = &layer.current {
                let [a, b] = adapter.ids.map(|id| id.val());
                metadata.insert(index.to_string(), format!("{a} {b}"));
                tensors.push((format!("{index}.a"), &adapter.a));
                tensors.push((format!("{index}.b"), &adapter.b));
            }
            for (task, factor) in layer.earlier.iter().enumerate() {
                tensors.push((format!("{index}.earlier.{task}"), factor));
            }
        }
        let views = tensors.into_iter().map(|(name, data)| {
            let view = TensorView::new(Dtype::F32, data.shape().to_vec(), data.as_bytes());
            view.map(|view| (name, view))
        });
        views
            .collect::<Result<Vec<_>, _>>()
            .and_then(|views| safetensors::serialize(views, Some(metadata)))
            .map_err(ContinualError::saving(path.as_ref()))
    })
}

/// Reads the version and the layers of a saved state for a model's targets; `None` if the
/// checkpoint has none.
pub(super) fn restored(
    saved: &Checkpoint,
    adapter_rank: usize,
    targets: &[SelectedTarget],
) -> Result<Option<(usize, Vec<Layer>)>, ContinualError> {
    let Some(name) = saved.find(NAME) else {
        return Ok(None);
    };
    let bytes = saved.read(&name)?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| saved.broken(&name, &error))?;
    let (_, header) =
        SafeTensors::read_metadata(&bytes).map_err(|error| saved.broken(&name, &error))?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let tensor = |key: String| -> Option<TensorData> {
        let view = file.tensor(&key).ok()?;
        if view.dtype() != Dtype::F32 || view.shape().len() != 2 {
            return None;
        }
        let (chunks, _) = view.data().as_chunks::<4>();
        let values: Vec<f32> = chunks
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect();
        Some(TensorData::new(values, view.shape()))
    };
    let mut layers = Vec::new();
    for (index, target) in targets.iter().enumerate() {
        let [d_in, d_out] = target.shape;
        let mut current = None;
        if let Some(ids) = metadata.get(&index.to_string()) {
            let ids: Vec<u64> = ids.split(' ').filter_map(|id| id.parse().ok()).collect();
            let factors = (tensor(format!("{index}.a")), tensor(format!("{index}.b")));
            let (&[id_a, id_b], (Some(a), Some(b))) = (&ids[..], factors) else {
                return Err(saved.broken(&name, &"a factor is missing"));
            };
            if a.shape()[0] != d_in || b.shape()[1] != d_out {
                return Err(saved.broken(&name, &"it is of a model with other targets"));
            }
            if a.shape()[1] != adapter_rank {
                let reason = format!(
                    "its adapters have rank {}, the settings say {adapter_rank}",
                    a.shape()[1]
                );
                return Err(saved.broken(&name, &reason));
            }
            current = Some(Adapter {
                ids: [ParamId::from(id_a), ParamId::from(id_b)],
                a,
                b,
            });
        }
        let earlier = (0..).map_while(|task| tensor(format!("{index}.earlier.{task}")));
        layers.push(Layer {
            target: target.id,
            path: target.path.clone(),
            current,
            earlier: earlier.collect(),
        });
    }
    let version = metadata
        .get(VERSION)
        .and_then(|version| version.parse().ok());
    let version = version.ok_or_else(|| saved.broken(&name, &"its version is missing"))?;
    Ok(Some((version, layers)))
}
