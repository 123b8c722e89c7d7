//! The source `inputs`: directions that carry the energy of the layer's inputs.

use faer::Mat;

use super::ridge::ridge_scales;
use super::{Directions, Layer, complete, scaled};

use crate::calibration::{Moment, Spectrum, scale};
use crate::config::{OsftConfig, Scaling};

/// Top eigenvectors of `Σ` on the input side, or all of them with their scales; the output side protects
/// nothing. `None` if a decomposition does not converge.
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
    let total_energy = moment.trace();
    let k = layer.protected(d_in, &spectrum.values, total_energy);
    // With no or all directions protected, every scaling is the hard one.
    if config.scaling.is_hard() || k == 0 || k == d_in {
        return Some(Directions {
            input: spectrum.vectors.clone(),
            scales: None,
            output: Mat::zeros(d_out, 0),
            // A sketch may have fewer directions than the layer.
            k_in: k.min(spectrum.vectors.ncols()),
            k_out: 0,
            protected_energies: k.min(spectrum.vectors.ncols()),
            energies: spectrum.values.clone(),
            total_energy,
            lost: k.saturating_sub(spectrum.vectors.ncols()),
        });
    }
    // What a sketch may miss of a direction counts as its energy.
    let mut energies: Vec<f64> = spectrum.values.clone();
    energies.resize(d_in, 0.0);
    let missed = moment.sketch_error();
    energies.iter_mut().for_each(|energy| *energy += missed);
    let scales = match config.scaling {
        Scaling::Ridge => ridge_scales(&energies, 1.0 - k as f64 / d_in as f64),
        Scaling::Hard | Scaling::Scaled => {
            let values: Vec<f64> = energies.iter().map(|energy| energy.sqrt()).collect();
            let protected = values[..k].iter();
            let scales = protected.map(|value| scale(config.scaling_alpha, *value, values[0]));
            scales.chain(std::iter::repeat_n(1.0, d_in - k)).collect()
        }
    };
    let reaches = energies
        .iter()
        .zip(&scales)
        .map(|(energy, p)| energy * p * p);
    let reach = reaches.fold(0.0, f64::max);
    let basis = complete(spectrum.vectors.clone(), spectrum.vectors.ncols())?;
    let energies = &spectrum.values;
    Some(scaled(
        layer,
        &basis,
        &scales,
        energies,
        total_energy,
        reach,
    ))
}
