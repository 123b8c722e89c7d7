//! The paper's source: top singular directions of the weight.

use super::{Directions, Layer, squares, sum};
use crate::OsftConfig;
use crate::decompose::{Vectors, decompose};
use crate::side::keeps_free_basis;

/// `W = P diag(s) Qᵀ`, the first `k` directions on both sides.
///
/// # References
///
/// arXiv 2504.07097, section 3.2.
pub(super) fn directions(layer: &Layer<'_>, config: &OsftConfig) -> Option<Directions> {
    let (d_in, d_out) = (layer.weight.nrows(), layer.weight.ncols());
    let r = d_in.min(d_out);
    // The longer side is only completed where its complement is needed, which a rule over sizes alone
    // can say beforehand. The shorter one is complete anyway.
    let full = config.form.is_factored() || config.protected_share.needs_spectrum() || {
        let k = layer.protected(config, r, &[], 0.0);
        keeps_free_basis(d_in.max(d_out), k)
    };
    let vectors = if full { Vectors::Full } else { Vectors::Thin };
    let parts = decompose(layer.weight, vectors)?;
    let energies = squares(&parts.values);
    let total_energy = sum(&energies);
    let k = layer.protected(config, r, &energies, total_energy);
    Some(Directions {
        input: parts.input,
        output: parts.output,
        k_in: k,
        k_out: k,
        energies,
        total_energy,
        lost: 0,
    })
}
