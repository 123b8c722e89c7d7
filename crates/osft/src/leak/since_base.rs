//! The change over a whole sequence of tasks, measured on the inputs that the base model was calibrated with.

use burn::module::{Module, ParamId};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::calibration::Calibration;
use crate::config::Targets;
use crate::error::OsftError;
use crate::leak::{LeakReport, OutputChange};
use crate::linalg::to_host;
use crate::module::{Survey, changed, values, weights, widened};

/// Measures the change of every target since the base model, over the base model's inputs.
///
/// The bound holds for any number of tasks, and its size is constant. Let the moment `Σ_t` that a task's
/// split was made from contain the base's moment with weight `w` out of a total weight `w_t`. Then
/// `Σ_base ⪯ (w_t / w) Σ_t`, so the task moves the base's outputs by at most `w_t / w` times its own bound.
/// Lengths add up over the tasks: `(Σ_t √(w_t / w · bound_t))²`.
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
    /// Mean squared length of the outputs of the base model.
    outputs: f64,
    /// `Σ_t √bound_t` so far.
    length_bound: f64,
}

/// How far one layer's outputs have moved since the base model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerChange {
    /// Path of the layer.
    pub path: String,
    /// Measured over the inputs of the base calibration.
    pub outputs: OutputChange,
}

impl SinceBase {
    /// Starts at the current weights of a module, with the calibration of its inputs.
    ///
    /// # Errors
    ///
    /// The errors of [`Targets::selected`], [`OsftError::OtherCalibration`] if the calibration does not fit a
    /// target, and [`OsftError::NonFinite`], [`OsftError::Empty`] and [`OsftError::UnsupportedDType`] for a
    /// weight that cannot be measured.
    pub fn new<M: Module>(
        module: &M,
        targets: &Targets,
        base: &Calibration,
    ) -> Result<Self, OsftError> {
        // Merged: the weights that the module computes with, including adapters and cores.
        let module = module.clone().materialize();
        let places = targets.places(&Survey::of(&module))?;
        let targets = weights(&module, &places)
            .into_iter()
            .map(|target| {
                let [d_in, _] = target.value.dims();
                let moment = base.moment(&target.path);
                let Some(moment) = moment.filter(|moment| moment.dimension() == d_in) else {
                    return Err(OsftError::OtherCalibration { layer: target.path });
                };
                Ok(Target {
                    outputs: moment.energy_of(&target.to_host()?),
                    path: target.path,
                    id: target.id,
                    weight: widened(target.value),
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

    /// The bounds so far as lengths, `Σ_t √bound_t`: one per target, in the module's order.
    pub fn length_bounds(&self) -> Vec<f64> {
        self.targets.iter().map(|t| t.length_bound).collect()
    }

    /// Restores the lengths that [`length_bounds`](Self::length_bounds) returned. `None` unless there is one
    /// finite number of at least 0 per target.
    pub fn with_length_bounds(mut self, bounds: &[f64]) -> Option<Self> {
        let is_length = |bound: &f64| bound.is_finite() && *bound >= 0.0;
        if bounds.len() != self.targets.len() || !bounds.iter().all(is_length) {
            return None;
        }
        for (target, bound) in self.targets.iter_mut().zip(bounds) {
            target.length_bound = *bound;
        }
        Some(self)
    }

    /// Adds a finished task, given the leaks of its split.
    ///
    /// `weight` is the weight of all sources in the calibration that the task's split was made from. The base
    /// must have the same weight there as here: if the base was given another weight before it was joined
    /// with tasks, give it that weight here too. Targets that the split left out because they are frozen have
    /// not changed and are not among the leaks.
    ///
    /// # Errors
    ///
    /// [`OsftError::Unbounded`] if the leaks do not bound the outputs of a layer, because the split was made
    /// without a calibration or the layer contains NaN or infinite values; [`OsftError::OtherCalibration`] if
    /// a layer is not among the targets; [`OsftError::InvalidSourceWeight`] if `weight` is not positive and
    /// finite. On error nothing is recorded.
    pub fn record(&mut self, leaks: &LeakReport, weight: f64) -> Result<(), OsftError> {
        if !(weight > 0.0 && weight.is_finite()) {
            return Err(OsftError::InvalidSourceWeight { weight });
        }
        let factor = weight / self.base.weight();
        let lengths = leaks.layers.iter().map(|layer| {
            let outputs = layer.outputs.ok_or_else(|| OsftError::Unbounded {
                layer: layer.path.clone(),
            })?;
            Ok((layer.path.as_str(), (factor * outputs.bound).sqrt()))
        });
        self.add(lengths.collect::<Result<_, _>>()?)
    }

    /// Whether no change was recorded yet.
    pub fn has_no_record(&self) -> bool {
        self.targets.iter().all(|target| target.length_bound == 0.0)
    }

    /// Adds a change that no split bounds, as [`measure`](Self::measure) returned it right after the change:
    /// for example the rounding of weights before their first split.
    ///
    /// # Errors
    ///
    /// [`OsftError::OtherCalibration`] if a layer is not a target, [`OsftError::Unbounded`] if it contains
    /// NaN or infinite values. On error nothing is recorded.
    pub fn record_measured(&mut self, changes: &[LayerChange]) -> Result<(), OsftError> {
        let changes = changes.iter();
        let lengths = changes.map(|change| (change.path.as_str(), change.outputs.measured.sqrt()));
        self.add(lengths.collect())
    }

    /// Adds lengths to the bounds of layers: all of them or, on error, none.
    fn add(&mut self, lengths: Vec<(&str, f64)>) -> Result<(), OsftError> {
        let index_of = |path: &str| self.targets.iter().position(|target| target.path == path);
        let indexed = lengths.into_iter().map(|(path, length)| {
            let layer = path.to_string();
            match index_of(path) {
                None => Err(OsftError::OtherCalibration { layer }),
                Some(_) if !length.is_finite() => Err(OsftError::Unbounded { layer }),
                Some(index) => Ok((index, length)),
            }
        });
        let indexed: Vec<(usize, f64)> = indexed.collect::<Result<_, OsftError>>()?;
        for (index, length) in indexed {
            self.targets[index].length_bound += length;
        }
        Ok(())
    }

    /// Measures the change of every target since the base model.
    ///
    /// # Errors
    ///
    /// [`OsftError::OtherModule`] if a target is not in the module.
    pub fn measure<M: Module>(&self, module: &M) -> Result<Vec<LayerChange>, OsftError> {
        let merged = module.clone().materialize();
        let survey = Survey::of(&merged);
        let identities = self.targets.iter().map(|target| target.id).collect();
        let targets = self.targets.iter();
        let places: Vec<_> = targets
            .map(|target| survey.find(target.id, &target.path, &identities))
            .collect();
        let mut now = values(&merged, &places.iter().flatten().map(|p| p.id).collect());
        self.targets
            .iter()
            .zip(places)
            .map(|(target, place)| {
                let value = place.and_then(|place| now.remove(&place.id)).map(widened);
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
                let change = to_host(&changed(value.clone(), -start));
                let bound = target.length_bound.powi(2);
                Ok(LayerChange {
                    path: target.path.clone(),
                    outputs: OutputChange::new(moment, &change, target.outputs, bound),
                })
            })
            .collect()
    }
}
