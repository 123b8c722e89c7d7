//! The source `inputs`: directions that carry the energy of the layer's inputs.

use faer::Mat;

use super::{Directions, Layer};

use crate::calibration::{Moment, Spectrum};

/// Top eigenvectors of `Σ` on the input side; the output side protects nothing.
///
/// # References
///
/// Gradient Projection Memory (Saha et al., ICLR 2021) has the same constraint. Its bases grow with the
/// tasks; these are the eigenvectors of one moment over all tasks.
pub(super) fn directions(layer: &Layer<'_>, moment: &Moment, spectrum: &Spectrum) -> Directions {
    let (d_in, d_out) = (layer.weight.nrows(), layer.weight.ncols());
    let total_energy = moment.trace();
    let k = layer.protected(d_in, &spectrum.values, total_energy);
    Directions {
        input: spectrum.vectors.clone(),
        output: Mat::zeros(d_out, 0),
        // A sketch may have fewer directions than the layer.
        k_in: k.min(spectrum.vectors.ncols()),
        k_out: 0,
        energies: spectrum.values.clone(),
        total_energy,
        lost: k.saturating_sub(spectrum.vectors.ncols()),
    }
}
