//! The source `inputs`: directions that carry the energy of the layer's inputs.

use faer::Mat;

use super::ridge::ridge_scales;
use super::{Directions, Layer, complete, scaled};

use crate::calibration::{Moment, Spectrum, scale};
use crate::config::{OsftConfig, Scaling};

/// The first tokens' directions, which are protected exactly, and top eigenvectors of `Σ` beside them on the input
/// side, or all of those with their scales; the output side protects nothing. `None` if a decomposition does not
/// converge.
///
/// # References
///
/// Gradient Projection Memory (Saha et al., ICLR 2021) has the same constraint. Its bases grow with the
/// tasks; these are the eigenvectors of one moment over all tasks.
pub(super) fn directions(
    layer: &Layer<'_>,
    moment: &Moment,
    spectrum: &Spectrum,
    config: &OsftConfig,
) -> Option<Directions> {
    let (d_in, d_out) = (layer.weight.nrows(), layer.weight.ncols());
    let first = &moment.first;
    // The rule decides beside the first tokens' directions, which are protected whatever it says.
    let beside = d_in - first.ncols();
    let energy = moment.energy_beside_first();
    let weight = moment.shrinkage_weight(config.moment.shrinkage)?;
    let (energies, floor) = spectrum.shrunk(weight, energy, beside);
    let k = layer.protected(beside, &energies, energy);
    let basis = joined(first, &spectrum.vectors);
    let of_first = |energies: &[f64]| {
        let columns = moment.energies_of(first).into_iter();
        columns.chain(energies.iter().copied()).collect::<Vec<_>>()
    };
    // With no or all directions protected, every scaling is the hard one.
    if config.scaling.is_hard() || k == 0 || k == beside {
        // A sketch may have fewer directions than the layer.
        let found = k.min(spectrum.vectors.ncols());
        return Some(Directions {
            input: basis,
            scales: None,
            output: Mat::zeros(d_out, 0),
            k_in: first.ncols() + found,
            k_out: 0,
            protected_energies: first.ncols() + found,
            energies: of_first(&energies),
            total_energy: moment.trace(),
            lost: k - found,
        });
    }
    // What a sketch may miss of a direction counts as its energy.
    let missed = moment.sketch_error();
    let all = |energies: &[f64], others: f64| -> Vec<f64> {
        let known = energies.iter().copied();
        let all = known.chain(std::iter::repeat_n(others, beside - energies.len()));
        all.map(|energy| energy + missed).collect()
    };
    let read = all(&energies, floor);
    let scales: Vec<f64> = match config.scaling {
        Scaling::Ridge => ridge_scales(&read, 1.0 - k as f64 / beside as f64),
        Scaling::Hard | Scaling::Scaled => {
            let values: Vec<f64> = read.iter().map(|energy| energy.sqrt()).collect();
            let protected = values[..k].iter();
            let scales = protected.map(|value| scale(config.scaling_alpha, *value, values[0]));
            let others = std::iter::repeat_n(1.0, beside - k);
            scales.chain(others).collect()
        }
    };
    // Of the measured energies: the outputs move by those.
    let measured = all(&spectrum.values, 0.0);
    let reaches = measured
        .iter()
        .zip(&scales)
        .map(|(energy, p)| energy * p * p);
    let reach = reaches.fold(0.0, f64::max);
    let columns = basis.ncols();
    let basis = complete(basis, columns)?;
    let of_first_scales = std::iter::repeat_n(0.0, first.ncols());
    let scales: Vec<f64> = of_first_scales.chain(scales).collect();
    let energies = of_first(&energies);
    let total = moment.trace();
    Some(scaled(layer, &basis, &scales, &energies, total, reach))
}

/// The columns of two bases, one after the other.
fn joined(first: &Mat<f64>, others: &Mat<f64>) -> Mat<f64> {
    let r = first.ncols();
    if r == 0 {
        return others.clone();
    }
    Mat::from_fn(others.nrows(), r + others.ncols(), |i, j| match j < r {
        true => first[(i, j)],
        false => others[(i, j - r)],
    })
}
