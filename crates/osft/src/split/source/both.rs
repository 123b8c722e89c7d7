//! The source `both`: outputs that carry energy, and the inputs that produce them.

use faer::Mat;

use super::{Directions, Layer, squares, sum};

use crate::calibration::Spectrum;
use crate::linalg::{Vectors, decompose};

/// Directions with singular values below this share of the largest do not exist: some thousand times the
/// rounding of f64.
const RELATIVE_TOLERANCE: f64 = 1e-12;

/// With `Σ^{1/2} W = P' S Q'ᵀ`, protects the first `k` columns of `Q'` on the output side and, on the input
/// side, the span of `Σ^{1/2}` times the first `k` columns of `P'`.
pub(super) fn directions(layer: &Layer<'_>, spectrum: &Spectrum) -> Option<Directions> {
    let (d_in, d_out) = (layer.weight.nrows(), layer.weight.ncols());
    let rank = spectrum.values.len();
    // `Σ^{1/2} = V diag(√λ) Vᵀ`; the factor `V` in front changes no singular value, so it is
    // applied to the few wanted vectors at the end.
    let scaled = Mat::from_fn(rank, d_in, |i, j| {
        spectrum.values[i].sqrt() * spectrum.vectors[(j, i)]
    });
    let parts = decompose(&(&scaled * layer.weight), Vectors::Full)?;
    let energies = squares(&parts.values);
    let total_energy = sum(&energies);
    let k = layer.protected(d_in.min(d_out), &energies, total_energy);

    // A sketch may have fewer directions than the layer; beyond them the bases are arbitrary.
    let existing = k.min(rank);
    let images = scaled.transpose() * parts.input.subcols(0, existing);
    let (input, k_in) = orthonormalized(&images)?;
    Some(Directions {
        input,
        scales: None,
        output: parts.output,
        k_in,
        k_out: existing,
        protected_energies: existing,
        energies,
        total_energy,
        lost: k - k_in,
    })
}

/// An orthonormal basis of the columns' span, `[d, rank]`, and its rank.
fn orthonormalized(columns: &Mat<f64>) -> Option<(Mat<f64>, usize)> {
    let d = columns.nrows();
    if columns.ncols() == 0 {
        return Some((Mat::zeros(d, 0), 0));
    }
    let parts = decompose(columns, Vectors::Thin)?;
    let largest = parts.values.first().copied().unwrap_or(0.0);
    let exists = |value: &&f64| **value > largest * RELATIVE_TOLERANCE;
    let rank = parts.values.iter().take_while(exists).count();
    Some((parts.input.subcols(0, rank).to_owned(), rank))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn dependent_columns_are_counted_as_lost() {
        let columns = Mat::from_fn(5, 3, |i, j| match j {
            0 => 1.0 + i as f64,
            1 => 0.5 - i as f64,
            _ => 1.5,
        });
        // The third column is the sum of the others.
        let (basis, rank) = orthonormalized(&columns).unwrap();
        assert_eq!((basis.ncols(), rank), (2, 2));
        let (_, rank) = orthonormalized(&Mat::zeros(4, 2)).unwrap();
        assert_eq!(rank, 0);
    }
}
