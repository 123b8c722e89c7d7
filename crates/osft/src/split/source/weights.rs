//! The source `weights`, the paper's: top singular directions of the weight.

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, Mat, MatRef, Par};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Directions, Layer, squares, sum};

use crate::config::Form;
use crate::linalg::{Vectors, completed, decompose, eigen};
use crate::split::keeps_free_basis;

/// Largest deviation from orthonormality that is accepted, below the rounding of the stored f32 bases. Above
/// it, the exact decomposition is used.
const TOLERANCE: f64 = 1e-8;

/// Number of random combinations of a basis that are tested.
const PROBES: usize = 4;

/// With `W = P diag(s) Qᵀ`, protects the first `k` directions on both sides.
///
/// # References
///
/// arXiv 2504.07097, section 3.2.
pub(super) fn directions(layer: &Layer<'_>, form: Form) -> Option<Directions> {
    // Factors need paired singular vectors; the eigenvectors of both Gram matrices need not form pairs.
    let fast = match form.is_factored() {
        true => None,
        false => by_gram_matrices(layer),
    };
    fast.or_else(|| by_singular_values(layer, form))
}

fn by_singular_values(layer: &Layer<'_>, form: Form) -> Option<Directions> {
    let (d_in, d_out) = (layer.weight.nrows(), layer.weight.ncols());
    // The longer side only needs a complete basis if its complement is used. A rule that reads the size alone
    // tells this in advance. The shorter side is always complete.
    let full = form.is_factored() || layer.rule.needs_spectrum() || {
        let k = layer.protected(d_in.min(d_out), &[], 0.0);
        keeps_free_basis(d_in.max(d_out), k)
    };
    let vectors = if full { Vectors::Full } else { Vectors::Thin };
    let parts = decompose(layer.weight, vectors)?;
    let energies = squares(&parts.values);
    Some(directions_from(layer, energies, parts.input, parts.output))
}

fn directions_from(
    layer: &Layer<'_>,
    energies: Vec<f64>,
    input: Mat<f64>,
    output: Mat<f64>,
) -> Directions {
    let total_energy = sum(&energies);
    let k = layer.protected(energies.len(), &energies, total_energy);
    Directions {
        input,
        scales: None,
        output,
        k_in: k,
        k_out: k,
        protected_energies: k,
        energies,
        total_energy,
        lost: 0,
    }
}

/// The same subspaces from eigenvectors of the smaller of `W Wᵀ` and `Wᵀ W`, in a fraction of the time.
///
/// `W` maps them to the vectors of the other side. Squaring loses half of the digits; for a weight in f32,
/// f64 has enough of them. If it has not (near-equal singular values at the border, a rank that is not full),
/// the protected directions of the other side are not orthonormal. This is tested, and the result is then
/// `None`. Free directions of that side are orthonormalized if they are needed.
fn by_gram_matrices(layer: &Layer<'_>) -> Option<Directions> {
    let weight = layer.weight.as_ref();
    let tall = weight.nrows() > weight.ncols();
    // As many rows as there are singular values.
    let wide = if tall { weight.transpose() } else { weight };
    let (energies, short) = eigen(&gram(wide))?;
    let k = layer.protected(energies.len(), &energies, sum(&energies));

    let completes = keeps_free_basis(wide.ncols(), k);
    let count = if completes { energies.len() } else { k };
    let mut long = product(wide.transpose(), short.as_ref().subcols(0, count));
    for (column, energy) in energies.iter().take(count).enumerate() {
        let length = energy.sqrt();
        // A vector of length 0 has no direction; `completed` replaces it.
        if length > 0.0 || column < k {
            for value in long.col_mut(column).iter_mut() {
                *value /= length;
            }
        }
    }
    if !is_orthonormal(long.as_ref().subcols(0, k)) {
        return None;
    }
    let long = if completes { completed(long) } else { long };
    let (input, output) = if tall { (long, short) } else { (short, long) };
    Some(directions_from(layer, energies, input, output))
}

/// The lower half of `W Wᵀ`; the upper half is not computed.
fn gram(wide: MatRef<'_, f64>) -> Mat<f64> {
    let rows = wide.nrows();
    let mut gram = Mat::zeros(rows, rows);
    triangular::matmul(
        gram.as_mut(),
        BlockStructure::TriangularLower,
        Accum::Replace,
        wide,
        BlockStructure::Rectangular,
        wide.transpose(),
        BlockStructure::Rectangular,
        1.0,
        Par::Seq,
    );
    gram
}

/// A product on one thread, like everything within a layer.
fn product(left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> Mat<f64> {
    let mut product = Mat::zeros(left.nrows(), right.ncols());
    matmul(product.as_mut(), Accum::Replace, left, right, 1.0, Par::Seq);
    product
}

/// Whether the columns are orthonormal, tested with a few random combinations of them: `BᵀB z = z`. False if
/// there is a NaN.
fn is_orthonormal(basis: MatRef<'_, f64>) -> bool {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let signs = Mat::from_fn(basis.ncols(), PROBES, |_, _| {
        if random.random() { 1.0 } else { -1.0 }
    });
    let back = product(basis.transpose(), product(basis, signs.as_ref()).as_ref());
    let difference = back - signs;
    (0..PROBES).all(|j| {
        let mut values = difference.col(j).iter();
        values.all(|value| value.abs() <= TOLERANCE)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ShareRule;

    /// Number of random weights that are split in both ways.
    const RANDOM: usize = 500;

    fn layer(weight: &Mat<f64>, share: f64) -> Layer<'_> {
        Layer {
            weight,
            inputs: None,
            gradients: None,
            united: None,
            retains_nothing: false,
            rule: ShareRule::fixed(share).rule().unwrap().clone(),
            importance: None,
            progress: 0.0,
            task: 0,
        }
    }

    fn projector(basis: &Mat<f64>, columns: std::ops::Range<usize>) -> Mat<f64> {
        let part = basis.as_ref().subcols(columns.start, columns.len());
        product(part, part.transpose())
    }

    /// Largest difference of the protected projectors of two splits, over both sides.
    fn difference(found: &Directions, exact: &Directions) -> f64 {
        let sides = [
            (&found.input, &exact.input, exact.k_in),
            (&found.output, &exact.output, exact.k_out),
        ];
        let differences = sides.map(|(found, exact, k)| {
            let difference = projector(found, 0..k) - projector(exact, 0..k);
            difference.norm_max()
        });
        differences[0].max(differences[1])
    }

    proptest! {
        /// Singular values from 2 down to above 1 in equal steps: no two are near, none is small.
        #[test]
        fn a_well_conditioned_weight_is_split_by_its_gram_matrix(
            d_in in 1usize..20,
            d_out in 1usize..20,
            share in 0.0_f64..1.0,
            values in prop::collection::vec(-1.0_f64..1.0, 400),
        ) {
            let any = Mat::from_fn(d_in, d_out, |i, j| values[20 * i + j]);
            let bases = decompose(&any, Vectors::Thin).unwrap();
            let rank = d_in.min(d_out);
            let singular = |i: usize| 2.0 - i as f64 / rank as f64;
            let scaled = Mat::from_fn(d_in, rank, |i, j| bases.input[(i, j)] * singular(j));
            let weight = product(scaled.as_ref(), bases.output.transpose());

            let layer = layer(&weight, share);
            let found = by_gram_matrices(&layer);
            prop_assert!(found.is_some(), "the exact decomposition was needed");
            let found = found.unwrap();
            let exact = by_singular_values(&layer, Form::Core).unwrap();
            prop_assert_eq!((found.k_in, found.k_out), (exact.k_in, exact.k_out));
            prop_assert_eq!(found.energies.len(), rank);
            for (i, energy) in found.energies.iter().enumerate() {
                // Sums of at most 20 products in f64, of numbers up to 4.
                prop_assert!((energy - singular(i).powi(2)).abs() < 1e-13);
            }
            // The same rounding, divided by the distance of two energies, at least a tenth.
            prop_assert!(difference(&found, &exact) < 1e-12);
            // This is the decomposition that is used.
            let taken = directions(&layer, Form::Core).unwrap();
            prop_assert_eq!((taken.input, taken.output), (found.input, found.output));
        }
    }

    #[test]
    fn both_decompositions_protect_the_same_directions_of_random_weights() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let (mut undecided, mut compared) = (0, 0);
        for _ in 0..RANDOM {
            let (d_in, d_out) = (random.random_range(1..20), random.random_range(1..20));
            let share = random.random();
            let weight = Mat::from_fn(d_in, d_out, |_, _| f64::from(random.random::<f32>() - 0.5));
            let layer = layer(&weight, share);
            let exact = by_singular_values(&layer, Form::Core).unwrap();
            let Some(found) = by_gram_matrices(&layer) else {
                undecided += 1;
                continue;
            };
            assert_eq!(found.k_in, exact.k_in);
            let gap = match exact.energies.get(exact.k_in) {
                Some(next) if exact.k_in > 0 => {
                    (exact.energies[exact.k_in - 1] - next) / exact.energies[0]
                }
                _ => 1.0,
            };
            // Between nearly equal energies, the border is arbitrary.
            if gap > 1e-6 {
                compared += 1;
                assert!(difference(&found, &exact) < TOLERANCE);
            }
        }
        // Random weights have full rank and seldom two nearly equal energies.
        assert!(
            undecided <= RANDOM / 100,
            "{undecided} needed the exact decomposition"
        );
        assert!(compared >= RANDOM * 98 / 100, "{compared} were compared");
    }

    #[test]
    fn free_directions_without_energy_are_completed() {
        // Two of four directions carry nothing, and both are free.
        let diagonal = |rows: usize| {
            Mat::from_fn(rows, 4, |i, j| match (i == j, i) {
                (true, 0) => 2.0,
                (true, 1) => 1.0,
                _ => 0.0,
            })
        };
        for weight in [diagonal(4), diagonal(5)] {
            let layer = layer(&weight, 0.5);
            let found = by_gram_matrices(&layer).unwrap();
            assert_eq!(found.energies, [4.0, 1.0, 0.0, 0.0]);
            let exact = by_singular_values(&layer, Form::Core).unwrap();
            assert!(difference(&found, &exact) < 1e-12);
            for basis in [&found.input, &found.output] {
                let gram = product(basis.transpose(), basis.as_ref());
                let error = gram - Mat::<f64>::identity(basis.ncols(), basis.ncols());
                // The L2 norm, since a maximum may skip NaN.
                assert!(error.norm_l2() < 1e-12, "{basis:?}");
            }
        }
    }

    #[test]
    fn degenerate_weights_use_the_exact_decomposition() {
        // Equal singular values, rank one, rank zero.
        let identity = Mat::<f64>::identity(6, 6);
        let rank_one = Mat::from_fn(6, 8, |i, j| (1 + i) as f64 * (1 + j) as f64);
        for weight in [&identity, &rank_one, &Mat::zeros(6, 8)] {
            let layer = layer(weight, 0.5);
            let found = directions(&layer, Form::Core).unwrap();
            for basis in [&found.input, &found.output] {
                let gram = product(basis.transpose(), basis.as_ref());
                let error = gram - Mat::<f64>::identity(basis.ncols(), basis.ncols());
                assert!(error.norm_l2() < 1e-12);
            }
            assert_eq!((found.k_in, found.k_out), (3, 3));
        }
        for weight in [rank_one, Mat::zeros(6, 8)] {
            assert!(by_gram_matrices(&layer(&weight, 0.5)).is_none());
        }
    }
}
