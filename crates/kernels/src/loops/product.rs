//! Matrix products.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

/// Products of fewer numbers than this stay on one thread: another one costs more than it brings.
const SMALL: usize = 1 << 20;

/// The columns or rows of a thread are a multiple of what the kernels compute at a time.
const ALIGNED: usize = 48;

/// A matrix, stored row after row or column after column.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    /// Its numbers, from its first one on.
    pub values: &'a [f32],
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
    /// From one row to the next, or from one column to the next if `transposed`.
    pub stride: usize,
    /// Whether it is stored column after column.
    pub transposed: bool,
}

impl<'a> Matrix<'a> {
    /// A matrix without gaps between its rows, or columns if `transposed`.
    pub fn dense(values: &'a [f32], rows: usize, columns: usize, transposed: bool) -> Self {
        Self {
            values,
            rows,
            columns,
            stride: if transposed { rows } else { columns },
            transposed,
        }
    }

    fn view(self) -> MatRef<'a, f32> {
        let Self {
            values,
            rows,
            columns,
            stride,
            ..
        } = self;
        match self.transposed {
            true => MatRef::from_column_major_slice_with_stride(values, rows, columns, stride),
            false => MatRef::from_row_major_slice_with_stride(values, rows, columns, stride),
        }
    }
}

/// What happens to the numbers that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// They are replaced by the product.
    Replaced,
    /// The product is added to them.
    Added,
}

/// Writes `a b`, row after row.
///
/// # Shapes
/// - `a`: `[m, k]`
/// - `b`: `[k, n]`
/// - `output`: `m n` numbers
///
/// # Panics
///
/// If the shapes do not fit.
pub fn product(a: Matrix<'_>, b: Matrix<'_>, output: &mut [f32], written: Written) {
    let (m, k, n) = (a.rows, a.columns, b.columns);
    let (a, b) = (a.view(), b.view());
    let output = MatMut::from_row_major_slice_mut(output, m, n);
    let accum = match written {
        Written::Replaced => Accum::Replace,
        Written::Added => Accum::Add,
    };
    let threads = match m * k * n < SMALL {
        true => 1,
        false => rayon::current_num_threads(),
    };
    if threads == 1 {
        return matmul(output, accum, a, b, 1.0, Par::Seq);
    }
    // The longer side is divided among the threads. Every number is computed as on one thread: so no part is short, since
    // a product with a single row or column takes a loop that adds in another order.
    let (longer, by_rows) = (m.max(n), m >= n);
    let part = longer.div_ceil(threads).next_multiple_of(ALIGNED);
    let mut parts = Vec::with_capacity(threads);
    let (mut rest, mut start) = (output, 0);
    while start < longer {
        let left = longer - start;
        let size = if left < part + ALIGNED { left } else { part };
        let (head, tail) = match by_rows {
            true => rest.split_at_row_mut(size),
            false => rest.split_at_col_mut(size),
        };
        parts.push((start, size, head));
        (rest, start) = (tail, start + size);
    }
    parts
        .into_par_iter()
        .for_each(|(start, size, output)| match by_rows {
            true => matmul(output, accum, a.subrows(start, size), b, 1.0, Par::Seq),
            false => matmul(output, accum, a, b.subcols(start, size), 1.0, Par::Seq),
        });
}

/// Writes many products of the same shape, one after the other.
///
/// # Shapes
/// - `pairs`: `[m, k]` and `[k, n]` each
/// - `output`: `m n` numbers for each pair
///
/// # Panics
///
/// If the shapes do not fit.
pub fn products(pairs: &[(Matrix<'_>, Matrix<'_>)], output: &mut [f32]) {
    let Some((a, b)) = pairs.first() else {
        return;
    };
    let (size, work) = (a.rows * b.columns, a.rows * a.columns * b.columns);
    if size == 0 {
        return;
    }
    if pairs.len() < rayon::current_num_threads() {
        for (&(a, b), output) in pairs.iter().zip(output.chunks_exact_mut(size)) {
            product(a, b, output, Written::Replaced);
        }
        return;
    }
    let one = |((a, b), output): (&(Matrix<'_>, Matrix<'_>), &mut [f32])| {
        let output = MatMut::from_row_major_slice_mut(output, a.rows, b.columns);
        matmul(output, Accum::Replace, a.view(), b.view(), 1.0, Par::Seq);
    };
    let at_least = (SMALL / work.max(1)).max(1);
    let outputs = output.par_chunks_exact_mut(size);
    pairs
        .par_iter()
        .zip(outputs)
        .with_min_len(at_least)
        .for_each(one);
}
