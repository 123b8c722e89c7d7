//! The bound of how far a change moves the outputs of a layer.

use burn::tensor::Tensor;
use faer::Mat;

use crate::calibration::Moment;
use crate::linalg::to_host;
use crate::split::{InputEnergy, LayerSplit, Side};

/// Relative rounding error of energies and leaks that are summed in f32: some units in the last place, for
/// sums over blocks of some hundred terms.
const ROUNDING: f64 = 1.0 / (1 << 20) as f64;

/// A change of a layer, as the bound reads it.
pub(super) struct Changed<'a> {
    /// `[d_in, d_out]`
    pub change: &'a Mat<f64>,
    /// `‖ΔW‖_F`
    pub size: f64,
    /// `‖P_hᵀ ΔW‖ / ‖ΔW‖`
    pub leaked: f64,
}

/// Upper bound of `tr(ΔWᵀ Σ ΔW)`: see [`OutputChange::bound`](super::OutputChange::bound).
pub(super) fn output_bound(
    layer: &LayerSplit,
    inputs: &InputEnergy,
    moment: &Moment,
    changed: &Changed<'_>,
) -> f64 {
    let Changed {
        change,
        size,
        leaked,
    } = *changed;
    // The sketch error makes the energy of a direction uncertain; the worse case counts.
    let hidden = moment.sketch_error() * layer.k_in as f64;
    let trace = inputs.total;
    let protected = (trace - inputs.unprotected + hidden).clamp(0.0, trace);
    let reaches = |energy: f64, part: f64| energy.sqrt() * part * size;
    let outside = (1.0 - leaked.powi(2)).max(0.0).sqrt();
    let unprotected = inputs.unprotected + ROUNDING * trace;
    let mut free = reaches(unprotected, outside);
    if let (Side::Scaled(basis), Some(reach)) = (&layer.constraint.input, inputs.reach) {
        let scaled = reach.sqrt() * coordinates_length(basis, change);
        // The stored basis is orthogonal to the rounding of f32 alone.
        free = free.min(scaled + reaches(ROUNDING * trace, 1.0));
    }
    let length = free + reaches(protected, leaked);
    length.powi(2) * (1.0 + ROUNDING)
}

/// `‖C‖_F` of the change `ΔW = V diag(p) C`: the rows of `(V diag(p))ᵀ ΔW`, divided by `p²`.
fn coordinates_length(basis: &Tensor<2>, change: &Mat<f64>) -> f64 {
    let basis = to_host(basis);
    let lowered = basis.transpose() * change;
    let squares = (0..basis.ncols()).map(|j| {
        let scale = basis.col(j).squared_norm_l2();
        lowered.row(j).squared_norm_l2() / scale.powi(2)
    });
    squares.sum::<f64>().sqrt()
}
