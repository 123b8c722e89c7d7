//! The source `inputs_and_gradients`: inputs that carry energy, and outputs that the loss depends on.

use super::{Directions, Layer};

use crate::calibration::{Moment, Spectrum};

/// Top eigenvectors of `Σ` on the input side, and of the moment `Γ` of the gradients on the output side. The
/// layer's rule decides on each side by the side's own eigenvalues; the energies are those of the inputs.
/// `None` if a decomposition does not converge.
///
/// # References
///
/// `Σ ⊗ Γ` is a Kronecker-factored curvature, as in K-FAC (Martens and Grosse, ICML 2015). `Γ` is taken from
/// whole rows, as the right factor of Shampoo (Gupta et al., ICML 2018), and not from single tokens.
pub(super) fn directions(
    layer: &Layer<'_>,
    moment: &Moment,
    inputs: &Spectrum,
) -> Option<Directions> {
    let (d_in, d_out) = (layer.weight.nrows(), layer.weight.ncols());
    let gradients = layer.gradients?;
    let outputs = gradients.spectrum()?;
    let wanted_in = layer.protected(d_in, &inputs.values, moment.trace());
    let k_out = layer.protected(d_out, &outputs.values, gradients.trace());
    // A sketch may have fewer directions than the layer.
    let k_in = wanted_in.min(inputs.vectors.ncols());
    Some(Directions {
        input: inputs.vectors.clone(),
        scales: None,
        k_in,
        k_out: k_out.min(outputs.vectors.ncols()),
        output: outputs.vectors,
        protected_energies: k_in,
        energies: inputs.values.clone(),
        total_energy: moment.trace(),
        lost: wanted_in - k_in,
    })
}
