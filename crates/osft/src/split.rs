//! Splitting a module, and what is done with the split during and between tasks.

use std::collections::HashMap;
use std::sync::Arc;

use burn::module::{Module, ParamGroup, ParamId};
use burn::optim::{GradientsParams, ModuleOptimizer, Optimizer};
use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::decompose::{Vectors, decompose};
use crate::leak::{LeakReport, measure};
use crate::side::keeps_free_basis;
use crate::targets::{Weight, select, weights};
use crate::{Constraint, CoreOptimizer, OsftConfig, OsftError, Side};

/// The split of one target weight.
#[derive(Clone, Debug)]
pub struct LayerSplit {
    /// Path of the parameter in its module.
    pub path: String,
    /// Identity of the parameter in its module.
    pub id: ParamId,
    /// `[d_in, d_out]`
    pub shape: [usize; 2],
    /// Protected directions of the inputs.
    pub k_in: usize,
    /// Protected directions of the outputs.
    pub k_out: usize,
    /// Singular values of the weight when it was split, descending.
    pub singular_values: Vec<f64>,
    /// What may move.
    pub constraint: Arc<Constraint>,
    /// The weight when it was split: what a change is measured against.
    pub(crate) start: Tensor<2>,
}

impl LayerSplit {
    /// Protects the top singular directions of the weight on both sides.
    fn of_weight(weight: &Weight, config: &OsftConfig) -> Result<Self, OsftError> {
        let [d_in, d_out] = weight.value.dims();
        let values = weight.to_host()?;
        let k = config
            .protected_share
            .protected_directions(d_in.min(d_out))?;
        // The decomposition of the longer side is only completed where its complement is needed.
        let vectors = match [d_in, d_out].iter().any(|&d| keeps_free_basis(d, k)) {
            true => Vectors::Full,
            false => Vectors::Thin,
        };
        let split =
            decompose(&values, d_in, d_out, vectors).ok_or_else(|| OsftError::NoConvergence {
                layer: weight.path.clone(),
            })?;
        let device = weight.value.device();
        Ok(Self {
            path: weight.path.clone(),
            id: weight.id,
            shape: [d_in, d_out],
            k_in: k,
            k_out: k,
            constraint: Arc::new(Constraint {
                input: Side::new(&split.input, k, &device),
                output: Side::new(&split.output, k, &device),
            }),
            singular_values: split.values,
            start: weight.value.clone(),
        })
    }

    /// Free degrees of freedom: the numbers that training can change independently.
    pub fn free_parameters(&self) -> usize {
        (self.shape[0] - self.k_in) * (self.shape[1] - self.k_out)
    }

    /// Share of the weight's squared Frobenius norm held by the protected singular directions,
    /// in `[0, 1]`; 0 for a weight of zeros.
    pub fn protected_energy(&self) -> f64 {
        // Folded from +0: the sum of no floats is -0, which would be printed as such.
        let squares = |values: &[f64]| values.iter().fold(0.0, |sum, s| sum + s * s);
        let total = squares(&self.singular_values);
        let protected = squares(&self.singular_values[..self.k_in.min(self.k_out)]);
        if total > 0.0 { protected / total } else { 0.0 }
    }
}

/// A module's split into protected and free directions.
///
/// Made at the start of a task from the weights as they are; the task is trained with
/// [`optimizer`](Self::optimizer), and the next one starts from [`resplit`](Self::resplit).
#[derive(Clone, Debug)]
pub struct Osft {
    config: OsftConfig,
    layers: Vec<LayerSplit>,
}

impl Osft {
    /// Splits the target weights of a module, in parallel over layers.
    ///
    /// # Errors
    ///
    /// [`OsftError::NoTarget`] if a pattern selects nothing, [`OsftError::ShareOutOfRange`],
    /// [`OsftError::NonFinite`] and [`OsftError::UnsupportedDType`] naming the layer,
    /// [`OsftError::NoConvergence`].
    ///
    /// # References
    ///
    /// arXiv 2504.07097, section 3.2: the top singular directions of each weight are protected.
    pub fn split<M: Module>(module: &M, config: &OsftConfig) -> Result<Self, OsftError> {
        let layers = select(module, &config.targets)?
            .par_iter()
            .map(|weight| LayerSplit::of_weight(weight, config))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            config: config.clone(),
            layers,
        })
    }

    /// Free degrees of freedom that [`split`](Self::split) would leave, without decomposing.
    ///
    /// # Errors
    ///
    /// [`OsftError::NoTarget`], [`OsftError::InvalidPattern`], [`OsftError::ShareOutOfRange`].
    pub fn free_parameters_of<M: Module>(
        module: &M,
        config: &OsftConfig,
    ) -> Result<usize, OsftError> {
        let targets = select(module, &config.targets)?;
        targets
            .iter()
            .map(|weight| {
                let [d_in, d_out] = weight.value.dims();
                let k = config
                    .protected_share
                    .protected_directions(d_in.min(d_out))?;
                Ok((d_in - k) * (d_out - k))
            })
            .sum()
    }

    /// The split for the next task, from the weights as they are now.
    ///
    /// The module is only read: what was learned stays in its weights. Make a new optimizer from
    /// the result, since moments of the old coordinates mean nothing in the new ones.
    ///
    /// # Errors
    ///
    /// As [`split`](Self::split).
    pub fn resplit<M: Module>(&self, module: &M) -> Result<Self, OsftError> {
        Self::split(module, &self.config)
    }

    /// The configuration of the split.
    pub fn config(&self) -> &OsftConfig {
        &self.config
    }

    /// The split of every target, in the module's order.
    pub fn layers(&self) -> &[LayerSplit] {
        &self.layers
    }

    /// Free degrees of freedom over all targets.
    pub fn free_parameters(&self) -> usize {
        self.layers.iter().map(LayerSplit::free_parameters).sum()
    }

    /// Freezes every parameter that is not a target: what trains without the constraint is a hole
    /// in it.
    pub fn freeze_others<M: Module>(&self, module: M) -> M {
        let targets = self.layers.iter().map(|layer| layer.id).collect();
        let others = ParamGroup::all().exclude(ParamGroup::from_ids(targets));
        module.freeze_group(others)
    }

    /// An optimizer that moves the targets inside their free directions by `inner`, and every
    /// other parameter that has a gradient by `inner` as it is.
    pub fn optimizer<O: Optimizer>(&self, inner: O) -> ModuleOptimizer {
        self.layers
            .iter()
            .fold(inner.clone().into(), |optimizer: ModuleOptimizer, layer| {
                let core = CoreOptimizer::new(inner.clone(), layer);
                optimizer.with_group(ParamGroup::from_ids(vec![layer.id]), core, None)
            })
    }

    /// Replaces the dense gradients of the targets by their core coordinates.
    ///
    /// Optional: the optimizer projects a dense gradient itself. Call it before anything that
    /// measures gradients, such as clipping by global norm, so that parts which are thrown away
    /// anyway do not count.
    pub fn project(&self, mut grads: GradientsParams) -> GradientsParams {
        for layer in &self.layers {
            let Some(grad) = grads.remove::<2>(layer.id) else {
                continue;
            };
            // A frozen layer's gradient is dropped, not registered.
            if !layer.constraint.is_closed() {
                grads.register(layer.id, layer.constraint.lower(grad));
            }
        }
        grads
    }

    /// How much of every target's change since the split lies in its protected directions.
    ///
    /// # Errors
    ///
    /// [`OsftError::OtherModule`] if a target is not in the module.
    pub fn leaks<M: Module>(&self, module: &M) -> Result<LeakReport, OsftError> {
        let mut now: HashMap<ParamId, Tensor<2>> = weights(module)
            .into_iter()
            .map(|weight| (weight.id, weight.value))
            .collect();
        let layers = self.layers.iter().map(|layer| {
            let value = now.remove(&layer.id).filter(|v| v.dims() == layer.shape);
            match value {
                Some(value) => Ok(measure(layer, value)),
                None => Err(OsftError::OtherModule {
                    layer: layer.path.clone(),
                    d_in: layer.shape[0],
                    d_out: layer.shape[1],
                }),
            }
        });
        Ok(LeakReport {
            layers: layers.collect::<Result<_, _>>()?,
        })
    }
}
