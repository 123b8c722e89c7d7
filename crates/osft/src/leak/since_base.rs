//! What a whole sequence of tasks has done to the inputs that the base model was calibrated on.

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
    /// What [`Targets::selected`] finds, [`OsftError::OtherCalibration`], and [`OsftError::NonFinite`],
    /// [`OsftError::Empty`] and [`OsftError::UnsupportedDType`] naming the layer.
    pub fn new<M: Module>(
        module: &M,
        targets: &Targets,
        base: &Calibration,
    ) -> Result<Self, OsftError> {
        // As it computes, whatever is attached to it.
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

    /// What the bounds are made of so far, `Σ_t √bound_t` per target in the module's order.
    pub fn length_bounds(&self) -> Vec<f64> {
        self.targets.iter().map(|t| t.length_bound).collect()
    }

    /// Goes on from what [`length_bounds`](Self::length_bounds) was; `None` if it is not one number,
    /// from 0 on, per target.
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

    /// Adds a task that has been learned.
    ///
    /// `weight` is that of all sources in the calibration that the task's split was made from. In it the base
    /// must weigh what it weighs here: a base that was given another weight before it was joined with tasks is
    /// given that weight here too. Targets that the split left out because they are frozen have not changed,
    /// and are not among the leaks.
    ///
    /// # Errors
    ///
    /// [`OsftError::Unbounded`] if the leaks do not say how far the outputs of a layer moved, because the
    /// split was made without calibration or the layer is broken, [`OsftError::OtherCalibration`] if a layer
    /// is not among the targets, [`OsftError::InvalidSourceWeight`]. Nothing is recorded then.
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

    /// Adds a change that no split bounded, as [`measure`](Self::measure) found it right after it
    /// happened: the rounding of weights before they were first split.
    ///
    /// # Errors
    ///
    /// [`OsftError::OtherCalibration`] if a layer is not a target, [`OsftError::Unbounded`] if it is broken.
    pub fn record_measured(&mut self, changes: &[LayerChange]) -> Result<(), OsftError> {
        let changes = changes.iter();
        let lengths = changes.map(|change| (change.path.as_str(), change.outputs.measured.sqrt()));
        self.add(lengths.collect())
    }

    /// Adds lengths to the bounds of layers, all or none.
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

    /// What has changed in every target since the base model.
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
