//! The paper's source: top singular directions of the weight.

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, Mat, MatRef, Par};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Directions, Layer, squares, sum};

use crate::config::Form;
use crate::linalg::{Vectors, completed, decompose, eigen};
use crate::split::keeps_free_basis;

/// How far a basis may be from orthonormal before the singular value decomposition is asked instead:
/// below the rounding of the f32 that it is kept in.
const TOLERANCE: f64 = 1e-8;

/// Random combinations of a basis that are tested.
const PROBES: usize = 4;

/// `W = P diag(s) Qᵀ`, the first `k` directions on both sides.
///
/// # References
///
/// arXiv 2504.07097, section 3.2.
pub(super) fn directions(layer: &Layer<'_>, form: Form) -> Option<Directions> {
    // Factors start at singular vectors that belong together in pairs, which eigenvectors of the two
    // sides need not.
    let found = match form.is_factored() {
        true => None,
        false => by_gram_matrices(layer),
    };
    found.or_else(|| by_singular_values(layer, form))
}

fn by_singular_values(layer: &Layer<'_>, form: Form) -> Option<Directions> {
    let (d_in, d_out) = (layer.weight.nrows(), layer.weight.ncols());
    // The longer side is only completed where its complement is needed, which a rule over sizes alone
    // can say beforehand. The shorter one is complete anyway.
    let full = form.is_factored() || layer.rule.needs_spectrum() || {
        let k = layer.protected(d_in.min(d_out), &[], 0.0);
        keeps_free_basis(d_in.max(d_out), k)
    };
    let vectors = if full { Vectors::Full } else { Vectors::Thin };
    let parts = decompose(layer.weight, vectors)?;
    let energies = squares(&parts.values);
    Some(found(layer, energies, parts.input, parts.output))
}

fn found(layer: &Layer<'_>, energies: Vec<f64>, input: Mat<f64>, output: Mat<f64>) -> Directions {
    let total_energy = sum(&energies);
    let k = layer.protected(energies.len(), &energies, total_energy);
    Directions {
        input,
        output,
        k_in: k,
        k_out: k,
        energies,
        total_energy,
        lost: 0,
    }
}

/// The same subspaces from eigenvectors of the smaller of `W Wᵀ` and `Wᵀ W`, for a fraction of the time.
///
/// The vectors of the other side are what `W` makes of those of this one. Squaring costs half of the
/// digits, of which f64 has enough to spare for a weight in f32. Where it has not (near-equal singular
/// values at the border, a rank that is not full), the protected directions of the other side do not come
/// out orthonormal, which is tested: `None`. Free ones, where they are needed, are made so.
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
        // What has no length has no direction either: completing finds one.
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
    Some(found(layer, energies, input, output))
}

/// The lower half of `W Wᵀ`; the upper one is not formed.
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

/// On one thread, as everything within a layer.
fn product(left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> Mat<f64> {
    let mut product = Mat::zeros(left.nrows(), right.ncols());
    matmul(product.as_mut(), Accum::Replace, left, right, 1.0, Par::Seq);
    product
}

/// Whether the columns are orthonormal, asked of a few random combinations of them: `BᵀB z = z`. False
/// for what is not a number.
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

    /// Weights of random numbers that are split both ways.
    const RANDOM: usize = 500;

    fn layer(weight: &Mat<f64>, share: f64) -> Layer<'_> {
        Layer {
            weight,
            inputs: None,
            rule: ShareRule::fixed(share).rule().unwrap().clone(),
            importance: None,
            progress: 0.0,
        }
    }

    fn projector(basis: &Mat<f64>, columns: std::ops::Range<usize>) -> Mat<f64> {
        let part = basis.as_ref().subcols(columns.start, columns.len());
        product(part, part.transpose())
    }

    /// Largest entry of the difference of what two sources protect, on both sides.
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
            prop_assert!(found.is_some(), "left to the exact way");
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
            // And this is the way that is taken.
            let taken = directions(&layer, Form::Core).unwrap();
            prop_assert_eq!((taken.input, taken.output), (found.input, found.output));
        }
    }

    #[test]
    fn both_ways_find_the_same_directions_of_random_weights() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let (mut left, mut compared) = (0, 0);
        for _ in 0..RANDOM {
            let (d_in, d_out) = (random.random_range(1..20), random.random_range(1..20));
            let share = random.random();
            let weight = Mat::from_fn(d_in, d_out, |_, _| f64::from(random.random::<f32>() - 0.5));
            let layer = layer(&weight, share);
            let exact = by_singular_values(&layer, Form::Core).unwrap();
            let Some(found) = by_gram_matrices(&layer) else {
                left += 1;
                continue;
            };
            assert_eq!(found.k_in, exact.k_in);
            let gap = match exact.energies.get(exact.k_in) {
                Some(next) if exact.k_in > 0 => {
                    (exact.energies[exact.k_in - 1] - next) / exact.energies[0]
                }
                _ => 1.0,
            };
            // The border between directions of nearly one value may lie anywhere.
            if gap > 1e-6 {
                compared += 1;
                assert!(difference(&found, &exact) < TOLERANCE);
            }
        }
        // A weight of random numbers has full rank, and seldom two values that are nearly one.
        assert!(left <= RANDOM / 100, "{left} were left to the exact way");
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
                // The length, which what is no number does not leave out.
                assert!(error.norm_l2() < 1e-12, "{basis:?}");
            }
        }
    }

    #[test]
    fn degenerate_weights_are_left_to_the_exact_way() {
        // All directions are alike, one is missing, none is there.
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
