//! What leaked: the part of a change that lies where nothing should move.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::LayerSplit;
use crate::constraint::transposed;

/// Leak of one layer's change `ΔW` since the split. All are ratios of Frobenius norms, 0 where
/// the layer did not move.
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

pub(crate) fn measure(layer: &LayerSplit, now: Tensor<2>) -> LayerLeak {
    let start = layer.start.clone().to_device(&now.device());
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
        let protected_out = output.protected_part(change.transpose());
        let protected_both = protected_in
            .clone()
            .filter(|_| protected_out.is_some())
            .map(|part| transposed(part, |x| output.protected_part(x.clone()).unwrap_or(x)));
        let ratio = |part: Option<Tensor<2>>| part.map_or(0.0, |part| norm(part) / size);
        leak.leak_in = ratio(protected_in);
        leak.leak_out = ratio(protected_out);
        leak.leak_both = ratio(protected_both);
    }
    leak
}

/// Frobenius norm, summed in f64: an f32 sum of squares underflows for small leaks.
fn norm(tensor: Tensor<2>) -> f64 {
    let squares: f64 = tensor.into_data().iter::<f64>().map(|v| v * v).sum();
    squares.sqrt()
}
