//! Saves adapters as a part of a checkpoint, and reads them back.

use std::collections::{BTreeMap, HashMap};

use ::osft::SelectedTarget;
use burn::module::ParamId;
use burn::tensor::TensorData;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::form::Form;
use super::layers::{Adapter, Factor, Layer};
use crate::checkpoint::{Checkpoint, StatePart};
use crate::error::ContinualError;

const NAME: &str = "adapters-";
/// Key of the version in the file's metadata.
const VERSION: &str = "version";
/// Key of the targets' paths in the file's metadata, in their order.
const TARGETS: &str = "targets";
/// Between two paths.
const BETWEEN: &str = " ";

/// Writes the adapters as one safetensors file: `N.a`, `N.b` for the factors `a` and `b` of target `N`
/// and `N.NAME` for what is kept beside them, with the targets' paths and the identities of their factors as metadata.
pub(super) fn part<F: Form<N>, const N: usize>(
    version: usize,
    layers: &[Layer<N>],
) -> StatePart<'_> {
    let name = format!("{NAME}{version}.safetensors");
    let path = name.clone();
    StatePart::bytes(name, move || {
        let paths: Vec<&str> = layers.iter().map(|l| l.target.path.as_str()).collect();
        let mut metadata = HashMap::from([
            (VERSION.to_string(), version.to_string()),
            (TARGETS.to_string(), paths.join(BETWEEN)),
        ]);
        let mut tensors: Vec<(String, &TensorData)> = Vec::new();
        for (index, layer) in layers.iter().enumerate() {
            if let Some(adapter) = &layer.current {
                // As wide as the largest: the size of what is carried does not depend on random identities.
                let ids = adapter.iter().map(|f| format!("{:020}", f.id.val()));
                let ids: Vec<String> = ids.collect();
                metadata.insert(index.to_string(), ids.join(" "));
                let factors = F::NAMES.iter().zip(adapter);
                tensors.extend(factors.map(|(name, f)| (format!("{index}.{name}"), &f.values)));
            }
            let kept = layer.kept.iter();
            tensors.extend(kept.map(|(name, values)| (format!("{index}.{name}"), values)));
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
/// checkpoint has none. `check` says what is wrong with the matrices that a layer keeps.
pub(super) fn restored<F: Form<N>, const N: usize>(
    saved: &Checkpoint,
    adapter_rank: usize,
    targets: Vec<SelectedTarget>,
    check: impl Fn(&Layer<N>) -> Result<(), String>,
) -> Result<Option<(usize, Vec<Layer<N>>)>, ContinualError> {
    let Some(name) = saved.find(NAME) else {
        return Ok(None);
    };
    let bytes = saved.read(&name)?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| saved.broken(&name, &error))?;
    let (_, header) =
        SafeTensors::read_metadata(&bytes).map_err(|error| saved.broken(&name, &error))?;
    let metadata = header.metadata().clone().unwrap_or_default();
    check_targets(metadata.get(TARGETS), &targets)
        .map_err(|reason| saved.broken(&name, &reason))?;
    let mut matrices = matrices_of_targets(&file).map_err(|error| saved.broken(&name, &error))?;
    let mut layers = Vec::new();
    for (index, target) in targets.into_iter().enumerate() {
        let mut kept = matrices.remove(&index).unwrap_or_default();
        let factors = F::NAMES.map(|name| kept.remove(name));
        let current = match metadata.get(&index.to_string()) {
            Some(ids) => {
                let shapes = F::shapes(adapter_rank, target.shape);
                let adapter = adapter(ids, factors, shapes);
                let adapter = adapter.map_err(|reason| format!("{}: {reason}", target.path));
                Some(adapter.map_err(|error| saved.broken(&name, &error))?)
            }
            None => None,
        };
        let layer = Layer {
            target,
            current,
            kept,
        };
        check(&layer)
            .map_err(|reason| saved.broken(&name, &format!("{}: {reason}", layer.target.path)))?;
        layers.push(layer);
    }
    if !matrices.is_empty() {
        return Err(saved.broken(&name, &"it is of a model with more targets"));
    }
    let version = metadata
        .get(VERSION)
        .and_then(|version| version.parse().ok());
    let version = version.ok_or_else(|| saved.broken(&name, &"its version is missing"))?;
    Ok(Some((version, layers)))
}

/// Checks that a file is of these targets: its matrices are known by the places of theirs. Files of earlier versions do not
/// say it.
fn check_targets(saved: Option<&String>, targets: &[SelectedTarget]) -> Result<(), String> {
    let Some(saved) = saved else {
        return Ok(());
    };
    let mut saved = saved.split(BETWEEN).filter(|path| !path.is_empty());
    for target in targets {
        let found = saved.next();
        if found != Some(target.path.as_str()) {
            return Err(format!(
                "it is of other targets: {} where the model and the setting targets ask for {}",
                found.unwrap_or("none is left"),
                target.path
            ));
        }
    }
    match saved.next() {
        None => Ok(()),
        Some(path) => Err(format!("it is of more targets, {path} among them")),
    }
}

/// The matrices of a file by the index of their target, and by name.
fn matrices_of_targets(
    file: &SafeTensors<'_>,
) -> Result<HashMap<usize, BTreeMap<String, TensorData>>, String> {
    let mut matrices: HashMap<usize, BTreeMap<String, TensorData>> = HashMap::new();
    for (key, view) in file.tensors() {
        let place = key.split_once('.');
        let place = place.and_then(|(index, name)| Some((index.parse().ok()?, name.to_string())));
        let (index, name) = place.ok_or_else(|| format!("{key} names no target"))?;
        if view.dtype() != Dtype::F32 || view.shape().len() != 2 {
            return Err(format!("{key} is no matrix of f32"));
        }
        let (chunks, _) = view.data().as_chunks::<4>();
        let values: Vec<f32> = chunks
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect();
        let values = TensorData::new(values, view.shape());
        matrices.entry(index).or_default().insert(name, values);
    }
    Ok(matrices)
}

/// An adapter from the identities and the values of its factors.
fn adapter<const N: usize>(
    ids: &str,
    factors: [Option<TensorData>; N],
    expected: [[usize; 2]; N],
) -> Result<Adapter<N>, String> {
    let mut made = Vec::new();
    let mut ids = ids.split(' ').map(str::parse::<u64>);
    for (values, shape) in factors.into_iter().zip(expected) {
        let (Some(values), Some(Ok(id))) = (values, ids.next()) else {
            return Err("a factor is missing".to_string());
        };
        if values.shape()[..] != shape {
            return Err(format!(
                "a factor has shape {:?}; the model and the settings, adapter_rank and targets, ask for {shape:?}",
                values.shape()
            ));
        }
        let id = ParamId::from(id);
        made.push(Factor { id, values });
    }
    made.try_into()
        .map_err(|_| "a factor is missing".to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn adapters_of_other_targets_are_refused_by_path() {
        let targets: Vec<SelectedTarget> = ["q", "v"]
            .map(|path| SelectedTarget {
                path: path.to_string(),
                id: ParamId::new(),
                shape: [4, 4],
            })
            .to_vec();
        let check = |saved: &str| check_targets(Some(&saved.to_string()), &targets);
        assert_eq!(check("q v"), Ok(()));
        assert_eq!(check_targets(None, &targets), Ok(()));
        for (saved, word) in [
            ("q k", "other targets"),
            ("q", "none is left"),
            ("q v o", "more"),
        ] {
            let error = check(saved).unwrap_err();
            assert!(error.contains(word), "{saved}: {error}");
        }
    }
}
