//! The decompositions behind a split, on the host and in f64.
//!
//! f64 because the bases are used as exact projectors: an f32 decomposition leaves them
//! orthonormal only to about 1e-5, which would be the leak of every later step.

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{
    ComputeEigenvectors, SelfAdjointEvdParams, self_adjoint_evd, self_adjoint_evd_scratch,
};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj,
};
use faer::linalg::qr::no_pivoting::factor::{
    QrParams, qr_in_place, qr_in_place_scratch, recommended_block_size,
};
use faer::linalg::svd::{ComputeSvdVectors, SvdParams, svd, svd_scratch};
use faer::{Conj, Mat, Par, Spec};

/// Number of singular vectors on the longer side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vectors {
    /// As many as there are singular values.
    Thin,
    /// An orthonormal basis of the whole space on both sides.
    Full,
}

/// `W = input · diag(values) · outputᵀ`, values descending.
pub(crate) struct Decomposition {
    /// `[d_in, c]`, orthonormal columns.
    pub input: Mat<f64>,
    /// `[d_out, c]`, orthonormal columns.
    pub output: Mat<f64>,
    /// `min(d_in, d_out)` singular values.
    pub values: Vec<f64>,
}

/// Decomposes a matrix of finite values.
///
/// The result depends on the values alone: the decomposition runs on one thread (different layers run in
/// parallel), and each pair of vectors has the sign that makes the largest component of the input vector
/// positive. `None` if the iteration does not converge.
pub(crate) fn decompose(matrix: &Mat<f64>, vectors: Vectors) -> Option<Decomposition> {
    let (d_in, d_out) = (matrix.nrows(), matrix.ncols());
    let r = d_in.min(d_out);
    let (columns_in, columns_out, compute) = match vectors {
        Vectors::Thin => (r, r, ComputeSvdVectors::Thin),
        Vectors::Full => (d_in, d_out, ComputeSvdVectors::Full),
    };
    let mut input = Mat::zeros(d_in, columns_in);
    let mut output = Mat::zeros(d_out, columns_out);
    let mut diagonal = Diag::zeros(r);
    let params = Spec::<SvdParams, f64>::default();
    let mut memory = MemBuffer::new(svd_scratch::<f64>(
        d_in,
        d_out,
        compute,
        compute,
        Par::Seq,
        params,
    ));
    svd(
        matrix.as_ref(),
        diagonal.as_mut(),
        Some(input.as_mut()),
        Some(output.as_mut()),
        Par::Seq,
        MemStack::new(&mut memory),
        params,
    )
    .ok()?;
    fix_signs(&mut input, &mut output, r);
    let values = diagonal.column_vector().iter().copied().collect();
    Some(Decomposition {
        input,
        output,
        values,
    })
}

/// Eigenvalues and eigenvectors of `BᵀB`, from the rows `B`: as many as there are rows, or columns if those are
/// fewer. `None` if the decomposition does not converge.
pub(crate) fn decompose_rows(rows: &Mat<f64>) -> Option<(Vec<f64>, Mat<f64>)> {
    let parts = decompose(&rows.transpose().to_owned(), Vectors::Thin)?;
    let squares = parts.values.iter().map(|s| s * s).collect();
    Some((squares, parts.input))
}

/// Eigenvalues of a symmetric matrix, descending, and its eigenvectors in the same order.
///
/// Uses one thread and fixed signs, as [`decompose`]. Negative eigenvalues, which a second moment has by
/// rounding only, become 0. `None` if the iteration does not converge.
pub(crate) fn eigen(matrix: &Mat<f64>) -> Option<(Vec<f64>, Mat<f64>)> {
    let d = matrix.nrows();
    let mut diagonal = Diag::zeros(d);
    let mut vectors = Mat::zeros(d, d);
    let params = Spec::<SelfAdjointEvdParams, f64>::default();
    let compute = ComputeEigenvectors::Yes;
    let scratch = self_adjoint_evd_scratch::<f64>(d, compute, Par::Seq, params);
    let mut memory = MemBuffer::new(scratch);
    self_adjoint_evd(
        matrix.as_ref(),
        diagonal.as_mut(),
        Some(vectors.as_mut()),
        Par::Seq,
        MemStack::new(&mut memory),
        params,
    )
    .ok()?;
    let ascending_values = diagonal.column_vector();
    let values = (0..d).rev().map(|i| ascending_values[i].max(0.0)).collect();
    // Reversed in place: a copy of a large matrix is large.
    for column in 0..d / 2 {
        for row in 0..d {
            let first = vectors[(row, column)];
            vectors[(row, column)] = vectors[(row, d - 1 - column)];
            vectors[(row, d - 1 - column)] = first;
        }
    }
    for column in 0..d {
        if largest_is_negative(&vectors, column) {
            negate(&mut vectors, column);
        }
    }
    Some((values, vectors))
}

/// An orthonormal basis of the whole space that begins with the given columns, each orthogonalized against
/// the columns before it and normalized. Columns that depend on earlier ones, and missing columns, are
/// replaced by arbitrary ones that complete the basis.
pub(crate) fn completed(columns: Mat<f64>) -> Mat<f64> {
    let (d, count) = (columns.nrows(), columns.ncols());
    let block = recommended_block_size::<f64>(d, count);
    let params = Spec::<QrParams, f64>::default();
    let mut reflections = columns;
    let mut factors = Mat::zeros(block, count.min(d));
    let scratch = qr_in_place_scratch::<f64>(d, count, block, Par::Seq, params);
    qr_in_place(
        reflections.as_mut(),
        factors.as_mut(),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        params,
    );
    let mut basis = Mat::identity(d, d);
    let scratch = apply_block_householder_sequence_on_the_left_in_place_scratch::<f64>(d, block, d);
    apply_block_householder_sequence_on_the_left_in_place_with_conj(
        reflections.as_ref(),
        factors.as_ref(),
        Conj::No,
        basis.as_mut(),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
    );
    // A reflection may flip the sign of a column.
    for column in 0..count.min(d) {
        if reflections[(column, column)] < 0.0 {
            negate(&mut basis, column);
        }
    }
    basis
}

/// Flips the two vectors of a pair together, and vectors of the null space, which have no partner, alone.
fn fix_signs(input: &mut Mat<f64>, output: &mut Mat<f64>, r: usize) {
    for column in 0..input.ncols() {
        if largest_is_negative(input, column) {
            negate(input, column);
            if column < r {
                negate(output, column);
            }
        }
    }
    for column in r..output.ncols() {
        if largest_is_negative(output, column) {
            negate(output, column);
        }
    }
}

fn largest_is_negative(matrix: &Mat<f64>, column: usize) -> bool {
    let mut largest = 0.0_f64;
    for &value in matrix.col(column).iter() {
        if value.abs() > largest.abs() {
            largest = value;
        }
    }
    largest < 0.0
}

fn negate(matrix: &mut Mat<f64>, column: usize) {
    for value in matrix.col_mut(column).iter_mut() {
        *value = -*value;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn orthonormality_error(basis: &Mat<f64>) -> f64 {
        let gram = basis.transpose() * basis;
        let mut worst = 0.0_f64;
        for i in 0..gram.nrows() {
            for j in 0..gram.ncols() {
                let expected = f64::from(u8::from(i == j));
                worst = worst.max((gram[(i, j)] - expected).abs());
            }
        }
        worst
    }

    fn check(values: &[f64], d_in: usize, d_out: usize) {
        for vectors in [Vectors::Thin, Vectors::Full] {
            let matrix = Mat::from_fn(d_in, d_out, |i, j| values[i * d_out + j]);
            let split = decompose(&matrix, vectors).unwrap();
            // f64 round-off of a product of at most some dozens of terms.
            assert!(orthonormality_error(&split.input) < 1e-12);
            assert!(orthonormality_error(&split.output) < 1e-12);
            assert!(split.values.windows(2).all(|pair| pair[0] >= pair[1]));
            let scale = values.iter().fold(1.0_f64, |a, v| a.max(v.abs()));
            for i in 0..d_in {
                for j in 0..d_out {
                    let rebuilt: f64 = split
                        .values
                        .iter()
                        .enumerate()
                        .map(|(c, s)| split.input[(i, c)] * s * split.output[(j, c)])
                        .sum();
                    assert!((rebuilt - values[i * d_out + j]).abs() < 1e-12 * scale * 64.0);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_matrix_is_rebuilt_from_orthonormal_factors(
            d_in in 1usize..12,
            d_out in 1usize..12,
            seed in prop::collection::vec(-10.0f64..10.0, 144),
        ) {
            check(&seed[..d_in * d_out], d_in, d_out);
        }
    }

    #[test]
    fn the_first_of_equal_components_decides_the_sign() {
        let columns = Mat::from_fn(3, 3, |i, j| {
            [[-1.0, 1.0, 0.5], [1.0, -1.0, 1.0], [0.0; 3]][j][i]
        });
        let negative = |column| largest_is_negative(&columns, column);
        assert_eq!(
            [negative(0), negative(1), negative(2)],
            [true, false, false]
        );
    }

    #[test]
    fn eigenvectors_rebuild_a_second_moment_largest_first() {
        let rows = Mat::from_fn(5, 7, |i, j| ((i * i + 3 * i * j + j) as f64 * 0.37).sin());
        let moment = rows.transpose() * &rows;
        let (values, vectors) = eigen(&moment).unwrap();
        assert!(orthonormality_error(&vectors) < 1e-12);
        assert!(values.windows(2).all(|pair| pair[0] >= pair[1]));
        // Five rows span five directions: the last two carry rounding alone.
        assert!(values[4] > 1e-3 && values[5..].iter().all(|&value| value < 1e-12));
        let scaled = Mat::from_fn(7, 7, |i, j| vectors[(i, j)] * values[j]);
        let rebuilt = scaled * vectors.transpose();
        assert!((rebuilt - moment).norm_max() < 1e-12);
    }

    #[test]
    fn a_completed_basis_begins_with_the_given_columns() {
        let given = Mat::from_fn(6, 3, |i, j| ((i * i + 3 * i * j + j) as f64 * 0.37).sin());
        let basis = completed(given.clone());
        assert!(orthonormality_error(&basis) < 1e-13);
        // The first columns span what the given ones do, and point the same way.
        let within = basis.subcols(0, 3).transpose() * &given;
        assert!((basis.subcols(0, 3) * &within - &given).norm_max() < 1e-13);
        assert!((0..3).all(|j| within[(j, j)] > 0.0));
        // Dependent columns, zero columns, no columns.
        let dependent = Mat::from_fn(4, 3, |i, j| (i + 1) as f64 * (j as f64 - 1.0));
        for columns in [dependent, Mat::zeros(4, 2), Mat::zeros(4, 0)] {
            assert!(orthonormality_error(&completed(columns)) < 1e-13);
        }
    }

    #[test]
    fn degenerate_matrices_have_orthonormal_bases() {
        check(&[0.0; 12], 3, 4);
        check(&[2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 2.0], 3, 3);
        check(&[1.0, -2.0, 3.0, 0.5], 1, 4);
        check(&[1.0, -2.0, 3.0, 0.5], 4, 1);
        check(&[1e-30, 0.0, 0.0, 1e30], 2, 2);
    }
}
