//! What leaked: the part of a change that lies where nothing should move, and what the change does
//! to the inputs that were measured.

use burn::tensor::Tensor;
use faer::Mat;
use serde::{Deserialize, Serialize};

use crate::LayerSplit;
use crate::calibration::Moment;
use crate::constraint::transposed;
use crate::precision::widened;

/// Leak of one layer's change `ΔW` since the split. The leaks are ratios of Frobenius norms, 0
/// where the layer did not move by more than rounding moves it.
///
/// Rounding alone leaks about `2⁻²⁴ √steps ‖W‖ / ‖ΔW‖` in f32.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerLeak {
    /// Path of the layer.
    pub path: String,
    /// `‖P_hᵀ ΔW‖ / ‖ΔW‖`: what reaches protected inputs.
    pub leak_in: f64,
    /// `‖ΔW Q_h‖ / ‖ΔW‖`: what reaches protected outputs.
    pub leak_out: f64,
    /// `‖P_hᵀ ΔW Q_h‖ / ‖ΔW‖`: what reaches both.
    pub leak_both: f64,
    /// `‖ΔW‖ / ‖W‖`, relative to the weight at the split (to 1 where that is zero).
    pub relative_change: f64,
    /// What the change does to the calibrated inputs; absent without calibration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<OutputChange>,
}

/// How far a change `ΔW` moves the outputs of a layer, over inputs `x` distributed as measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OutputChange {
    /// `E‖x ΔW‖² = tr(ΔWᵀ Σ ΔW)`.
    pub measured: f64,
    /// What it cannot exceed: `(1 - ε) tr(Σ) ‖ΔW‖_F²` for a change inside the free input
    /// directions, with `ε` the share of the inputs' energy that is protected. Where a change
    /// leaks, `(√((1 - ε) tr(Σ)) ‖N_Pᵀ ΔW‖ + √(ε tr(Σ)) ‖P_hᵀ ΔW‖)²`. The energy that a sketch
    /// may hide counts as unprotected.
    pub bound: f64,
    /// `√(E‖x ΔW‖² / E‖x W‖²)`, relative to the outputs at the split (to 1 where those are zero).
    pub relative: f64,
}

impl OutputChange {
    /// The larger value of each figure.
    pub fn worst_of(self, other: Self) -> Self {
        Self {
            measured: self.measured.max(other.measured),
            bound: self.bound.max(other.bound),
            relative: self.relative.max(other.relative),
        }
    }

    /// # Shapes
    /// - `change`: `[d_in, d_out]`
    pub(crate) fn new(moment: &Moment, change: &Mat<f64>, outputs: f64, bound: f64) -> Self {
        let hidden = moment.sketch_error() * change.squared_norm_l2();
        let measured = moment.energy_of(change) + hidden;
        Self {
            measured,
            bound,
            relative: (measured / if outputs > 0.0 { outputs } else { 1.0 }).sqrt(),
        }
    }
}

impl LayerLeak {
    /// The larger value of each figure; the path is that of the larger one-sided leak.
    pub fn worst_of(self, other: Self) -> Self {
        let one_sided = |leak: &Self| leak.leak_in.max(leak.leak_out);
        Self {
            leak_in: self.leak_in.max(other.leak_in),
            leak_out: self.leak_out.max(other.leak_out),
            leak_both: self.leak_both.max(other.leak_both),
            relative_change: self.relative_change.max(other.relative_change),
            path: match one_sided(&other) > one_sided(&self) {
                true => other.path,
                false => self.path,
            },
            outputs: match (self.outputs, other.outputs) {
                (Some(own), Some(other)) => Some(own.worst_of(other)),
                (own, other) => own.or(other),
            },
        }
    }
}

/// Leaks of all targets of a split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeakReport {
    /// One entry per target, in the module's order.
    pub layers: Vec<LayerLeak>,
}

impl LeakReport {
    /// The largest value of each figure over all layers; its path is that of the largest
    /// one-sided leak.
    pub fn worst(&self) -> LayerLeak {
        let layers = self.layers.iter().cloned();
        layers.reduce(LayerLeak::worst_of).unwrap_or_default()
    }
}

/// Half a unit in the last place of an f32: a weight that changed by less than this was rounded, not
/// trained, and the direction of what rounding did says nothing.
const ROUNDING: f64 = 1.0 / (1_u64 << 24) as f64;

pub(crate) fn measure(layer: &LayerSplit, now: Tensor<2>) -> LayerLeak {
    let start = widened(layer.start.clone().to_device(&now.device()));
    let change = now - start.clone();
    let size = norm(change.clone());
    let reference = norm(start);
    let mut leak = LayerLeak {
        path: layer.path.clone(),
        relative_change: if reference > 0.0 {
            size / reference
        } else {
            size
        },
        ..LayerLeak::default()
    };
    if size > 0.0 {
        let [input, output] = [&layer.constraint.input, &layer.constraint.output];
        let protected_in = input.protected_part(change.clone());
        let protected_out = output.protected_part(change.clone().transpose());
        let protected_both = protected_in
            .clone()
            .filter(|_| protected_out.is_some())
            .map(|part| transposed(part, |x| output.protected_part(x.clone()).unwrap_or(x)));
        let ratio = |part: Option<Tensor<2>>| part.map_or(0.0, |part| norm(part) / size);
        leak.leak_in = ratio(protected_in);
        leak.leak_out = ratio(protected_out);
        leak.leak_both = ratio(protected_both);
    }
    let leaked = leak.leak_in;
    if leak.relative_change <= ROUNDING {
        (leak.leak_in, leak.leak_out, leak.leak_both) = (0.0, 0.0, 0.0);
    }
    leak.outputs = layer.inputs.as_ref().map(|inputs| {
        let protected = (inputs.moment.trace() - inputs.unprotected).max(0.0);
        let reaches = |energy: f64, part: f64| energy.sqrt() * part * size;
        let outside = (1.0 - leaked.powi(2)).max(0.0).sqrt();
        let length = reaches(inputs.unprotected, outside) + reaches(protected, leaked);
        OutputChange::new(
            &inputs.moment,
            &to_host(&change),
            inputs.outputs,
            length.powi(2),
        )
    });
    leak
}

/// Frobenius norm, summed in f64: an f32 sum of squares underflows for small leaks.
fn norm(tensor: Tensor<2>) -> f64 {
    let squares: f64 = tensor.into_data().iter::<f64>().map(|v| v * v).sum();
    squares.sqrt()
}

pub(crate) fn to_host(tensor: &Tensor<2>) -> Mat<f64> {
    let [rows, columns] = tensor.dims();
    let values: Vec<f64> = tensor.clone().into_data().iter::<f64>().collect();
    Mat::from_fn(rows, columns, |i, j| values[i * columns + j])
}
