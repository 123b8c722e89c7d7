//! The source `inputs` where the directions are those that any of several sources needs.

use faer::Mat;

use super::{Directions, Layer, complete, scaled};

use crate::calibration::{Moment, Union};
use crate::config::Scaling;

/// The united directions on the input side; the output side protects nothing. `None` if a decomposition does
/// not converge.
///
/// The energies are those of the mean over the sources, in the order in which the directions were added.
pub(super) fn directions(
    layer: &Layer<'_>,
    moment: &Moment,
    union: &Union,
    scaling: Scaling,
) -> Option<Directions> {
    let k = union.basis.ncols();
    let energies = moment.energies_of(&union.basis);
    let total_energy = moment.trace();
    if scaling.is_hard() || k == 0 {
        return Some(Directions {
            input: union.basis.clone(),
            scales: None,
            output: Mat::zeros(layer.weight.ncols(), 0),
            k_in: k,
            k_out: 0,
            protected_energies: k,
            energies,
            total_energy,
            lost: 0,
        });
    }
    let basis = complete(union.basis.clone(), k)?;
    let of_union = union.importance.iter().map(|importance| 1.0 - importance);
    let others = std::iter::repeat_n(1.0, basis.ncols() - k);
    let scales: Vec<f64> = of_union.chain(others).collect();
    let columns = Mat::from_fn(basis.nrows(), basis.ncols(), |i, j| {
        basis[(i, j)] * scales[j]
    });
    // The directions are no eigenvectors of the mean: the sum over them bounds the largest.
    let missed = moment.sketch_error() * scales.iter().map(|p| p * p).sum::<f64>();
    let reach = moment.energy_of(&columns) + missed;
    Some(scaled(
        layer,
        &basis,
        &scales,
        &energies,
        total_energy,
        reach,
    ))
}
