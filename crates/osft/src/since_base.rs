//! What a whole sequence of tasks has done to the inputs that the base model was calibrated on.

use burn::module::{Module, ParamId};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

use crate::leak::to_host;
use crate::targets::{select, weights};
use crate::{Calibration, LeakReport, OsftError, OutputChange, TargetPatterns};

/// Measures the change of every target since the base model, over the base model's inputs.
///
/// Its bound holds for any number of tasks and is constant in size. With the moment `Σ_t` that a
/// task's split was made from holding the base's with weight `w` of `w_t`, `Σ_base ⪯ (w_t / w) Σ_t`,
/// so that task moves the base's outputs by at most `(w_t / w)` times its own bound, and lengths
/// add up: `(Σ_t √(w_t / w · bound_t))²`.
#[derive(Clone, Debug)]
pub struct SinceBase {
    base: Calibration,
    targets: Vec<Target>,
}

#[derive(Clone, Debug)]
struct Target {
    path: String,
    id: ParamId,
    weight: Tensor<2>,
    outputs: f64,
    /// `Σ_t √bound_t` so far.
    length_bound: f64,
}

/// How far one layer's outputs have moved since the base model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerChange {
    /// Path of the layer.
    pub path: String,
    /// Over inputs distributed as those of the base calibration.
    pub outputs: OutputChange,
}

impl SinceBase {
    /// Starts from a module as it is, with the calibration of its inputs.
    ///
    /// # Errors
    ///
    /// [`OsftError::NoTarget`], [`OsftError::InvalidPattern`], [`OsftError::OtherCalibration`].
    pub fn new<M: Module>(
        module: &M,
        targets: &TargetPatterns,
        base: &Calibration,
    ) -> Result<Self, OsftError> {
        let targets = select(module, targets)?
            .into_iter()
            .map(|target| {
                let Some(moment) = base.moment(&target.path) else {
                    return Err(OsftError::OtherCalibration { layer: target.path });
                };
                Ok(Target {
                    outputs: moment.energy_of(&target.to_host()?),
                    path: target.path,
                    id: target.id,
                    weight: target.value,
                    length_bound: 0.0,
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            base: base.clone(),
            targets,
        })
    }

    /// The calibration of the base model's inputs.
    pub fn base(&self) -> &Calibration {
        &self.base
    }

    /// What the bounds are made of so far, `Σ_t √bound_t` per target in the module's order.
    pub fn length_bounds(&self) -> Vec<f64> {
        self.targets.iter().map(|t| t.length_bound).collect()
    }

    /// Goes on from what [`length_bounds`](Self::length_bounds) was; `None` if it is not one number
    /// per target.
    pub fn with_length_bounds(mut self, bounds: &[f64]) -> Option<Self> {
        if bounds.len() != self.targets.len() {
            return None;
        }
        for (target, bound) in self.targets.iter_mut().zip(bounds) {
            target.length_bound = *bound;
        }
        Some(self)
    }

    /// Adds a task that has been learned.
    ///
    /// `weight` is that of all sources in the calibration that the task's split was made from.
    pub fn record(&mut self, leaks: &LeakReport, weight: f64) {
        let factor = weight / self.base.weight();
        for target in &mut self.targets {
            let layer = leaks.layers.iter().find(|layer| layer.path == target.path);
            if let Some(outputs) = layer.and_then(|layer| layer.outputs) {
                target.length_bound += (factor * outputs.bound).sqrt();
            }
        }
    }

    /// Adds a change that no split bounded, as [`measure`](Self::measure) found it right after it
    /// happened: the rounding of weights before they were first split.
    pub fn record_measured(&mut self, changes: &[LayerChange]) {
        for target in &mut self.targets {
            if let Some(change) = changes.iter().find(|change| change.path == target.path) {
                target.length_bound += change.outputs.measured.sqrt();
            }
        }
    }

    /// What has changed in every target since the base model.
    ///
    /// # Errors
    ///
    /// [`OsftError::OtherModule`] if a target is not in the module.
    pub fn measure<M: Module>(&self, module: &M) -> Result<Vec<LayerChange>, OsftError> {
        let merged = module.clone().materialize();
        let now: HashMap<ParamId, Tensor<2>> = weights(&merged)
            .into_iter()
            .map(|weight| (weight.id, weight.value))
            .collect();
        self.targets
            .iter()
            .map(|target| {
                let value = now.get(&target.id);
                let value = value.filter(|value| value.dims() == target.weight.dims());
                let (Some(value), Some(moment)) = (value, self.base.moment(&target.path)) else {
                    let [d_in, d_out] = target.weight.dims();
                    return Err(OsftError::OtherModule {
                        layer: target.path.clone(),
                        d_in,
                        d_out,
                    });
                };
                let start = target.weight.clone().to_device(&value.device());
                let change = to_host(&(value.clone() - start));
                let bound = target.length_bound.powi(2);
                Ok(LayerChange {
                    path: target.path.clone(),
                    outputs: OutputChange::new(moment, &change, target.outputs, bound),
                })
            })
            .collect()
    }
}
