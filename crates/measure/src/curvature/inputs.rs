//! The second moment of the inputs of chosen layers.

use std::collections::HashSet;

use anyhow::{Context, Result};
use burn::module::ParamId;
use burn::tensor::Tensor;
use faer::Mat;
use lm::{Example, LanguageModel, Observer};
use osft::SelectedTarget;

use super::rows::passes;

/// Sums over the inputs of layers, in f64 on the host: small eigenvalues of a moment that was summed in f32 are rounding.
pub struct Moments {
    wanted: HashSet<ParamId>,
    groups: Vec<Group>,
}

/// Layers that take the same inputs.
struct Group {
    layers: Vec<ParamId>,
    /// `Σ xᵀ x`, `[d_in, d_in]`.
    sum: Mat<f64>,
    tokens: usize,
}

impl Moments {
    /// Runs a model over rows and sums the inputs of the layers with these weights.
    pub fn of<M: LanguageModel>(
        model: &M,
        wanted: impl IntoIterator<Item = ParamId>,
        rows: &[Example],
    ) -> Self {
        let mut moments = Self {
            wanted: wanted.into_iter().collect(),
            groups: Vec::new(),
        };
        for rows in passes(rows) {
            model.observe(rows, &mut moments);
        }
        moments
    }

    /// `E[xᵀ x]` of the inputs of a layer, `[d_in, d_in]`.
    ///
    /// # Errors
    ///
    /// If the model has not shown the layer's inputs.
    pub fn second_moment(&self, layer: &SelectedTarget) -> Result<Mat<f64>> {
        let group = self.group(layer)?;
        Ok(faer::Scale(1.0 / group.tokens as f64) * &group.sum)
    }

    /// Checks that the inputs of a layer were measured.
    ///
    /// # Errors
    ///
    /// As [`second_moment`](Self::second_moment).
    pub fn check(&self, layer: &SelectedTarget) -> Result<()> {
        self.group(layer).map(|_| ())
    }

    fn group(&self, layer: &SelectedTarget) -> Result<&Group> {
        let mut groups = self.groups.iter();
        let group = groups.find(|group| group.layers.contains(&layer.id));
        group.with_context(|| {
            format!(
                "{} is no linear layer of the model's blocks, so that it has no inputs to measure; choose other layers",
                layer.path
            )
        })
    }
}

impl Observer for Moments {
    fn projected(&mut self, input: &Tensor<2>, outputs: &[(ParamId, Tensor<2>)]) {
        let layers = outputs.iter().map(|(id, _)| *id);
        let layers: Vec<ParamId> = layers.filter(|id| self.wanted.contains(id)).collect();
        let [tokens, width] = input.dims();
        if layers.is_empty() || tokens == 0 {
            return;
        }
        let values: Vec<f64> = input.clone().into_data().iter::<f64>().collect();
        let x = Mat::from_fn(tokens, width, |i, j| values[i * width + j]);
        let product = x.transpose() * &x;
        let known = self.groups.iter_mut().find(|group| group.layers == layers);
        match known {
            Some(group) => {
                group.sum += product;
                group.tokens += tokens;
            }
            None => self.groups.push(Group {
                layers,
                sum: product,
                tokens,
            }),
        }
    }
}
