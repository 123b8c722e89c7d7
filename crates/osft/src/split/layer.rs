//! The split of one weight.

use std::sync::Arc;

use burn::module::ParamId;
use burn::tensor::{DType, Device, Tensor};
use faer::Mat;
use serde::{Deserialize, Serialize};

use super::source::{Directions, Layer, available, directions};
use crate::calibration::Moment;
use crate::config::{OsftConfig, SplitSource};
use crate::error::OsftError;
use crate::module::{Weight, computed, is_half};
use crate::rule::Rule;
use crate::split::{Constraint, Factors, Side};

/// The split of one target weight.
#[derive(Clone, Debug)]
pub struct LayerSplit {
    /// Path of the parameter in its module.
    pub path: String,
    /// Identity of the parameter in the module that was split. In another module (after weights were loaded,
    /// in another process), the path identifies it.
    pub id: ParamId,
    /// `[d_in, d_out]`
    pub shape: [usize; 2],
    /// Protected directions of the inputs. If directions are [scaled](crate::Scaling), those with the scale 0:
    /// no other direction is protected exactly.
    pub k_in: usize,
    /// Protected directions of the outputs.
    pub k_out: usize,
    /// Mean of the scales of all input directions if they are [scaled](crate::Scaling), the protected ones
    /// with 0.
    pub mean_scale: Option<f64>,
    /// Input directions that the rule asked for but that do not exist, since the inputs of the weight span
    /// fewer.
    pub lost_directions: usize,
    /// Number of the first energies that are those of protected directions.
    pub(crate) protected_energies: usize,
    /// Energy of each decomposed direction, descending: squared singular values of `W` or of `Σ^{1/2} W`,
    /// eigenvalues of `Σ`. Of united sources: that of each united direction, in the order of addition.
    pub energies: Vec<f64>,
    /// Energy of all directions, including those that a sketch misses.
    pub total_energy: f64,
    /// Importance relative to the mean over layers, if the rule reads it.
    pub importance: Option<f64>,
    /// The changes that the weight may have.
    pub constraint: Arc<Constraint>,
    /// Energy of the inputs, if the split was calibrated.
    pub(crate) inputs: Option<InputEnergy>,
    /// Identity of the core, if the weight trains through one.
    pub(crate) core: Option<ParamId>,
    /// The initial factors of the free part, in the factored forms.
    pub(crate) factors: Option<Factors>,
    /// The weight at the split, as it is stored: the reference of every change.
    pub(crate) start: Tensor<2>,
}

/// Summary of a weight's split, for reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerSummary {
    /// Path of the parameter in its module.
    pub path: String,
    /// `[d_in, d_out]`
    pub shape: [usize; 2],
    /// Protected directions of the inputs.
    pub k_in: usize,
    /// Protected directions of the outputs.
    pub k_out: usize,
    /// See [`LayerSplit::mean_scale`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_scale: Option<f64>,
    /// See [`LayerSplit::free_parameters`].
    pub free_parameters: usize,
    /// See [`LayerSplit::lost_directions`].
    pub lost_directions: usize,
    /// See [`LayerSplit::importance`].
    pub importance: Option<f64>,
    /// See [`LayerSplit::protected_energy`].
    pub protected_energy: f64,
    /// See [`LayerSplit::protected_input_energy`].
    pub protected_input_energy: Option<f64>,
}

/// Energy of the inputs inside and outside the protected directions.
#[derive(Clone, Debug)]
pub(crate) struct InputEnergy {
    /// `None` if the split was loaded without its calibration.
    pub moment: Option<Arc<Moment>>,
    /// Fingerprint of the moment.
    pub fingerprint: String,
    /// `tr(Σ)`, the inputs' energy.
    pub total: f64,
    /// `tr(Σ) - tr(P_hᵀ Σ P_h)`, including what a sketch may miss: input energy outside the protected
    /// directions.
    pub unprotected: f64,
    /// `tr(Wᵀ Σ W)`, the mean squared length of the outputs at the split.
    pub outputs: f64,
    /// Upper bound of `‖Σ^{1/2} V diag(p)‖²`, if the directions are scaled.
    pub reach: Option<f64>,
}

impl InputEnergy {
    pub(crate) fn new(moment: Arc<Moment>, directions: &Directions, weight: &Mat<f64>) -> Self {
        let basis = directions.input.subcols(0, directions.k_in).to_owned();
        let protected = moment.energy_of(&basis);
        let unprotected = (moment.trace() - protected).max(0.0);
        let outputs = moment.energy_of(weight);
        Self {
            fingerprint: moment.fingerprint(),
            total: moment.trace(),
            moment: Some(moment),
            unprotected,
            outputs,
            reach: directions.scales.as_ref().map(|scales| scales.reach),
        }
    }
}

impl LayerSplit {
    /// The same split with copied bases, away from the temporary memory of the decomposition.
    pub(crate) fn with_copied_bases(mut self) -> Self {
        self.constraint = Arc::new(self.constraint.copied());
        self
    }

    /// Splits one weight.
    ///
    /// # Errors
    ///
    /// [`OsftError::TooManyDirections`], [`OsftError::OutOfScale`] and [`OsftError::NoConvergence`], each
    /// with the path.
    pub(crate) fn new(
        target: &Weight,
        layer: &Layer<'_>,
        moment: Option<Arc<Moment>>,
        config: &OsftConfig,
    ) -> Result<Self, OsftError> {
        let failed = || OsftError::NoConvergence {
            layer: target.path.clone(),
        };
        check_count(
            &target.path,
            target.value.dims(),
            layer.rule.as_ref(),
            config.split,
        )?;
        check_scale(target, layer.weight)?;
        let directions = directions(layer, config).ok_or_else(failed)?;
        let (device, stored) = (target.value.device(), target.value.dtype());
        let dtype = computed(stored);
        let factors = match config.form.is_factored() && !is_closed(&directions) {
            true => Some(factors(layer.weight, &directions, &device, dtype).ok_or_else(failed)?),
            false => None,
        };
        let inputs = moment.map(|moment| InputEnergy::new(moment, &directions, layer.weight));
        let constraint = Constraint {
            input: match &directions.scales {
                Some(scales) => Side::scaled(&directions.input, &scales.values, &device, dtype),
                None => Side::new(&directions.input, directions.k_in, &device, dtype),
            },
            output: Side::new(&directions.output, directions.k_out, &device, dtype),
            removed: config.form.removed(),
        };
        // Two bytes lose small steps, so a weight in two bytes trains through a core even if nothing is
        // protected.
        let limited = config.max_output_change.is_some() && inputs.is_some();
        let needs_core = !constraint.is_open() || is_half(stored) || limited;
        let has_core = !config.form.is_factored() && !constraint.is_closed() && needs_core;
        Ok(Self {
            path: target.path.clone(),
            id: target.id,
            shape: target.value.dims(),
            k_in: directions.k_in,
            k_out: directions.k_out,
            mean_scale: directions
                .scales
                .as_ref()
                .map(|scales| scales.values.iter().sum::<f64>() / directions.input.nrows() as f64),
            lost_directions: directions.lost,
            constraint: Arc::new(constraint),
            core: has_core.then(ParamId::new),
            protected_energies: directions.protected_energies,
            energies: directions.energies,
            total_energy: directions.total_energy,
            importance: layer.importance,
            inputs,
            factors,
            start: target.start(has_core),
        })
    }

    /// Summary for reports.
    pub fn summary(&self) -> LayerSummary {
        LayerSummary {
            path: self.path.clone(),
            shape: self.shape,
            k_in: self.k_in,
            k_out: self.k_out,
            mean_scale: self.mean_scale,
            free_parameters: self.free_parameters(),
            lost_directions: self.lost_directions,
            importance: self.importance,
            protected_energy: self.protected_energy(),
            protected_input_energy: self.protected_input_energy(),
        }
    }

    /// Number of free degrees of freedom: the numbers that training can change independently.
    pub fn free_parameters(&self) -> usize {
        let protected = [self.k_in, self.k_out];
        Constraint::degrees_of_freedom(self.constraint.removed, self.shape, protected)
    }

    /// Number of trainable numbers, of which an optimizer stores moments.
    pub fn trainable_parameters(&self) -> usize {
        match &self.factors {
            Some(factors) => factors.len(),
            None if self.constraint.is_closed() => 0,
            None => self.constraint.core_shape(self.shape).iter().product(),
        }
    }

    /// Share of the decomposed energy in the protected directions, in `[0, 1]`; 0 if there is no energy.
    pub fn protected_energy(&self) -> f64 {
        let k = self.protected_energies.min(self.energies.len());
        let protected = self.energies[..k].iter().fold(0.0, |sum, e| sum + e);
        if self.total_energy > 0.0 {
            (protected / self.total_energy).min(1.0)
        } else {
            0.0
        }
    }

    /// Share of the inputs' energy in the protected input directions, in `[0, 1]`; `None` without a
    /// calibration.
    pub fn protected_input_energy(&self) -> Option<f64> {
        let inputs = self.inputs.as_ref()?;
        let total = inputs.total;
        Some(if total > 0.0 {
            1.0 - inputs.unprotected / total
        } else {
            0.0
        })
    }
}

/// # Errors
///
/// [`OsftError::TooManyDirections`] if the rule asks for more directions than the layer has.
pub(crate) fn check_count(
    path: &str,
    shape: [usize; 2],
    rule: &dyn Rule,
    split: SplitSource,
) -> Result<(), OsftError> {
    let available = available(split, shape);
    match rule.wanted_directions() {
        Some(directions) if directions > available => Err(OsftError::TooManyDirections {
            layer: path.to_string(),
            directions,
            available,
        }),
        _ => Ok(()),
    }
}

/// # Errors
///
/// [`OsftError::OutOfScale`] if singular values, or their squares, may leave the range of the computation
/// type.
fn check_scale(target: &Weight, weight: &Mat<f64>) -> Result<(), OsftError> {
    let limit = match computed(target.value.dtype()) {
        DType::F64 => 1e150,
        _ => 1e37,
    };
    // No singular value is larger than the norm. The cheap test comes first: it does not square large
    // numbers.
    let largest = weight.norm_max();
    let length = ((weight.nrows() * weight.ncols()) as f64).sqrt();
    match largest * length > limit && (largest > limit || weight.norm_l2() > limit) {
        false => Ok(()),
        true => Err(OsftError::OutOfScale {
            layer: target.path.clone(),
            largest,
            limit,
        }),
    }
}

fn is_closed(directions: &Directions) -> bool {
    directions.k_in == directions.input.nrows() || directions.k_out == directions.output.nrows()
}

/// The free part of a weight as factors, from complete bases.
fn factors(
    weight: &Mat<f64>,
    directions: &Directions,
    device: &Device,
    dtype: DType,
) -> Option<Factors> {
    let free = |basis: &Mat<f64>, k: usize| basis.subcols(k, basis.nrows() - k).to_owned();
    let (input, output) = (
        free(&directions.input, directions.k_in),
        free(&directions.output, directions.k_out),
    );
    let core = input.transpose() * weight * &output;
    Factors::of_core(&input, &output, &core, device, dtype)
}
