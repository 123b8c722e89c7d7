//! The tensors of a model under their names in transformers, with the converter's changes undone.

use std::collections::BTreeSet;

use super::keys::Keys;
use super::sizes::Sizes;
use super::{Architecture, names, rope};
use crate::error::GgufError;
use crate::file::{Gguf, TensorInfo};

/// A tensor of the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Weight {
    /// Its name in transformers, such as `model.layers.0.self_attn.q_proj.weight`.
    pub name: String,
    /// Its shape, rows first.
    pub shape: Vec<usize>,
    /// Its name in the file.
    source: String,
    change: Change,
}

/// What the converter did to a tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    None,
    /// Of every head, the rows of its two halves were put alternately, since llama.cpp rotates neighbours where
    /// transformers rotates the two halves of a head.
    Interleaved {
        heads: usize,
    },
    /// 1 was added, since llama.cpp multiplies by the weights of norms where transformers multiplies by 1 more.
    PlusOne,
}

impl Gguf {
    /// The tensors of the model, in the order of the file.
    ///
    /// # Errors
    ///
    /// Those of [`config`](Gguf::config); [`GgufError::Tensor`] if a tensor is missing or has no place in the model.
    pub fn weights(&self) -> Result<Vec<Weight>, GgufError> {
        let architecture = Architecture::of(self)?;
        let sizes = Sizes::take(&mut Keys::of(self, architecture.name), self)?;
        let tensors = self.tensors().iter();
        let weights = tensors.filter(|tensor| !is_computed(&tensor.name));
        let weights = weights.map(|tensor| self.weight(tensor, architecture, &sizes));
        let weights = weights.collect::<Result<Vec<_>, _>>()?;
        self.refuse_missing(architecture, &sizes)?;
        Ok(weights)
    }

    /// The numbers of a tensor of the model.
    ///
    /// # Shapes
    ///
    /// The product of [`Weight::shape`], row by row.
    ///
    /// # Errors
    ///
    /// As [`tensor`](Gguf::tensor).
    pub fn weight_values(&self, weight: &Weight) -> Result<Vec<f32>, GgufError> {
        let mut values = self.tensor(&weight.source)?.values;
        match weight.change {
            Change::None => {}
            Change::PlusOne => values.iter_mut().for_each(|value| *value -= 1.0),
            Change::Interleaved { heads } => {
                let head = values.len() / heads;
                let width = values.len() / weight.shape.first().map_or(1, |rows| *rows);
                let taken = values.chunks(head).flat_map(|head| {
                    let rows = |first| head.chunks(width).skip(first).step_by(2);
                    rows(0).chain(rows(1)).flatten().copied()
                });
                values = taken.collect();
            }
        }
        Ok(values)
    }

    fn weight(
        &self,
        tensor: &TensorInfo,
        architecture: &Architecture,
        sizes: &Sizes,
    ) -> Result<Weight, GgufError> {
        let (part, name) = match tensor.name.strip_prefix("blk.") {
            Some(rest) => {
                let (index, part) = rest.split_once('.').unwrap_or_default();
                // Written in one way, so that no two tensors get the same name.
                let usual = |layer: &u64| *layer < sizes.layers && layer.to_string() == index;
                let layer = index.parse().ok().filter(usual);
                let name = layer.and_then(|at| names::in_layer(architecture.layer, at, part));
                (part, name)
            }
            None => (tensor.name.as_str(), names::outside(&tensor.name)),
        };
        let Some(name) = name else {
            let reason = format!(
                "a {} model of {} layers has no place for it",
                architecture.model_type, sizes.layers
            );
            return Err(GgufError::tensor(self.path(), &tensor.name, reason));
        };
        let heads = match part.rsplit_once('.').map(|(stem, _)| stem) {
            Some("attn_q") if architecture.interleaved => Some(sizes.heads),
            Some("attn_k") if architecture.interleaved => Some(sizes.key_value_heads),
            _ => None,
        };
        let is_norm = name.ends_with("norm.weight");
        let change = match heads {
            Some(heads) => interleaved(self, tensor, heads)?,
            None if is_norm && architecture.norms_plus_one => Change::PlusOne,
            None => Change::None,
        };
        Ok(Weight {
            name,
            shape: tensor.shape.clone(),
            source: tensor.name.clone(),
            change,
        })
    }

    fn refuse_missing(&self, architecture: &Architecture, sizes: &Sizes) -> Result<(), GgufError> {
        let tensors = self.tensors().iter();
        let found: BTreeSet<&str> = tensors.map(|tensor| tensor.name.as_str()).collect();
        let global = ["token_embd.weight", "output_norm.weight"].map(str::to_string);
        let layers = (0..sizes.layers).flat_map(|index| {
            let names = architecture.layer.iter().flat_map(|group| group.iter());
            names.map(move |(name, _)| format!("blk.{index}.{name}.weight"))
        });
        let mut expected = global.into_iter().chain(layers);
        match expected.find(|name| !found.contains(name.as_str())) {
            None => Ok(()),
            Some(name) => Err(GgufError::tensor(self.path(), &name, "it is missing")),
        }
    }
}

/// Whether a tensor is not a weight: frequencies, which follow from settings, and their factors.
fn is_computed(name: &str) -> bool {
    rope::TENSORS.contains(&name) || name.ends_with(".attn_rot_embd.weight")
}

fn interleaved(file: &Gguf, tensor: &TensorInfo, heads: u64) -> Result<Change, GgufError> {
    let rows = tensor.shape.first().map_or(0, |rows| *rows as u64);
    let whole = heads
        .checked_mul(2)
        .is_some_and(|halves| rows.is_multiple_of(halves));
    match usize::try_from(heads) {
        Ok(heads) if whole => Ok(Change::Interleaved { heads }),
        _ => {
            let reason = format!("its {rows} rows are not {heads} heads of two halves");
            Err(GgufError::tensor(file.path(), &tensor.name, reason))
        }
    }
}
