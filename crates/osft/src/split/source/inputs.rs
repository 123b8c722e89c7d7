//! Directions that hold the energy of the layer's inputs.

use faer::Mat;

use super::{Directions, Layer};

use crate::calibration::{Moment, Spectrum};

/// Top eigenvectors of `Σ` on the input side; the output side protects nothing.
///
/// # References
///
/// The constraint is that of Gradient Projection Memory (Saha et al., ICLR 2021), whose bases grow
/// with the tasks; here they are the eigenvectors of one moment over all of them.
pub(super) fn directions(layer: &Layer<'_>, moment: &Moment, spectrum: &Spectrum) -> Directions {
    let (d_in, d_out) = (layer.weight.nrows(), layer.weight.ncols());
    let total_energy = moment.trace();
    let k = layer.protected(d_in, &spectrum.values, total_energy);
    Directions {
        input: spectrum.vectors.clone(),
        output: Mat::zeros(d_out, 0),
        // A sketch knows fewer directions than there are.
        k_in: k.min(spectrum.vectors.ncols()),
        k_out: 0,
        energies: spectrum.values.clone(),
        total_energy,
        lost: k.saturating_sub(spectrum.vectors.ncols()),
    }
}
