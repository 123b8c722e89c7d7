//! A second moment in a fixed number of rows, for layers whose `d × d` matrix is too large.

use faer::Mat;

use crate::linalg::eigen;

/// Frequent Directions: `sketch_rows` rows `B` with `0 ⪯ XᵀX - BᵀB ⪯ shrinkage · I` for any rows `X` that
/// were added.
///
/// # References
///
/// Liberty, "Simple and deterministic matrix sketching", KDD 2013; Ghashami et al., "Frequent
/// Directions", SIAM Journal on Computing, 2016.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sketch {
    /// `[up to 2 · sketch_rows, d]`; at most `sketch_rows` rows after [`shrink`](Self::shrink).
    rows: Vec<Vec<f64>>,
    sketch_rows: usize,
    dimension: usize,
    shrinkage: f64,
}

impl Sketch {
    pub(crate) fn new(sketch_rows: usize, dimension: usize) -> Self {
        Self {
            rows: Vec::new(),
            sketch_rows: sketch_rows.max(1),
            dimension,
            shrinkage: 0.0,
        }
    }

    /// Restores a saved sketch from its rows, `[n, d]`, and its error bound.
    pub(crate) fn from_parts(rows: &Mat<f64>, sketch_rows: usize, shrinkage: f64) -> Self {
        let mut sketch = Self::new(sketch_rows, rows.ncols());
        for i in 0..rows.nrows() {
            sketch.push(&rows.row(i).iter().copied().collect::<Vec<_>>());
        }
        sketch.shrinkage += shrinkage;
        sketch
    }

    /// Adds one row of inputs.
    pub(crate) fn push(&mut self, row: &[f64]) {
        if row.iter().all(|&value| value == 0.0) {
            return;
        }
        self.rows.push(row.to_vec());
        if self.rows.len() >= 2 * self.sketch_rows {
            self.shrink();
        }
    }

    /// Adds the moment of another sketch times `factor`.
    pub(crate) fn absorb(&mut self, other: &Self, factor: f64) {
        for row in &other.rows {
            let scaled: Vec<f64> = row.iter().map(|value| value * factor.sqrt()).collect();
            self.push(&scaled);
        }
        self.shrinkage += other.shrinkage * factor;
    }

    /// Scales the moment by `factor >= 0`.
    pub(crate) fn scale(&mut self, factor: f64) {
        for value in self.rows.iter_mut().flatten() {
            *value *= factor.sqrt();
        }
        self.shrinkage *= factor;
    }

    /// Reduces the sketch to at most `sketch_rows` rows: subtracts the first eigenvalue beyond them from all
    /// eigenvalues.
    ///
    /// Works on the Gram matrix of the rows, which is small even if `d` is large. Squaring only loses
    /// precision at the end of the spectrum, which the subtraction removes anyway.
    pub(crate) fn shrink(&mut self) {
        if self.rows.len() <= self.sketch_rows {
            return;
        }
        let rows = self.matrix();
        // Non-convergence has never been seen on finite rows. Keeping all rows is correct in any case.
        let Some((squares, vectors)) = eigen(&(&rows * rows.transpose())) else {
            return;
        };
        let lowered = squares[self.sketch_rows];
        self.shrinkage += lowered;
        let kept = squares.iter().take(self.sketch_rows);
        let kept = kept.take_while(|&&square| square > lowered).count();
        let factors = Mat::from_fn(kept, rows.nrows(), |i, j| {
            vectors[(j, i)] * ((squares[i] - lowered) / squares[i]).sqrt()
        });
        let lower = factors * rows;
        self.rows = lower
            .row_iter()
            .map(|row| row.iter().copied().collect())
            .collect();
    }

    /// The rows `B`, `[n, d]`.
    pub(crate) fn matrix(&self) -> Mat<f64> {
        Mat::from_fn(self.rows.len(), self.dimension, |i, j| self.rows[i][j])
    }

    /// Upper bound of the energy that `BᵀB` misses in any one direction.
    pub(crate) fn shrinkage(&self) -> f64 {
        self.shrinkage
    }

    pub(crate) fn sketch_rows(&self) -> usize {
        self.sketch_rows
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Extreme eigenvalues of `XᵀX - BᵀB`.
    fn error(rows: &[Vec<f64>], sketch: &Sketch) -> (f64, f64) {
        let d = sketch.dimension;
        let x = Mat::from_fn(rows.len(), d, |i, j| rows[i][j]);
        let b = sketch.matrix();
        let difference = x.transpose() * &x - b.transpose() * &b;
        // `eigen` clamps at 0, so the smallest eigenvalue comes from the negated matrix.
        let largest = eigen(&difference).unwrap().0[0];
        let smallest = eigen(&(-difference)).unwrap().0[0];
        (-smallest, largest)
    }

    proptest! {
        #[test]
        fn the_error_is_nonnegative_and_bounded_by_the_shrinkage(
            values in prop::collection::vec(-3.0f64..3.0, 6 * 40),
            sketch_rows in 1usize..8,
        ) {
            let rows: Vec<Vec<f64>> = values.chunks(6).map(<[f64]>::to_vec).collect();
            let (first, second) = rows.split_at(17);
            let mut sketch = Sketch::new(sketch_rows, 6);
            let mut other = Sketch::new(sketch_rows, 6);
            first.iter().for_each(|row| sketch.push(row));
            second.iter().for_each(|row| other.push(row));
            sketch.absorb(&other, 1.0);
            sketch.shrink();
            prop_assert!(sketch.matrix().nrows() <= sketch_rows);
            let (smallest, largest) = error(&rows, &sketch);
            prop_assert!(smallest > -1e-9, "not below the moment: {smallest}");
            prop_assert!(largest <= sketch.shrinkage() + 1e-9);
        }
    }

    #[test]
    fn absorbing_weights_the_moment_and_its_error_bound() {
        let row = |i: usize| {
            (0..4)
                .map(|j| ((i * i + 3 * i * j * j + j) as f64 * 0.37).sin())
                .collect::<Vec<_>>()
        };
        let sketched = |from: usize| {
            let mut sketch = Sketch::new(2, 4);
            (from..from + 9).for_each(|i| sketch.push(&row(i)));
            sketch.shrink();
            sketch
        };
        let (own, other) = (sketched(0), sketched(20));
        assert!(own.shrinkage() > 0.1 && other.shrinkage() > 0.1);
        let mut both = own.clone();
        both.sketch_rows = 50;
        both.absorb(&other, 0.25);
        let expected = own.shrinkage() + 0.25 * other.shrinkage();
        assert!((both.shrinkage() - expected).abs() < 1e-12);
        let gram = |sketch: &Sketch| sketch.matrix().transpose() * sketch.matrix();
        let sum = gram(&own) + faer::Scale(0.25) * gram(&other);
        assert!((gram(&both) - sum).norm_max() < 1e-12);
        both.scale(3.0);
        assert!((both.shrinkage() - 3.0 * expected).abs() < 1e-12);
        assert!(
            (gram(&both) - faer::Scale(3.0) * (gram(&own) + faer::Scale(0.25) * gram(&other)))
                .norm_max()
                < 1e-11
        );
    }

    #[test]
    fn inputs_of_few_directions_are_sketched_exactly() {
        let rows: Vec<Vec<f64>> = (0..30)
            .map(|i| vec![f64::from(i), 0.0, -2.0 * f64::from(i), 0.0])
            .collect();
        let mut sketch = Sketch::new(2, 4);
        rows.iter().for_each(|row| sketch.push(row));
        sketch.shrink();
        assert!(sketch.shrinkage() < 1e-9);
        assert!(error(&rows, &sketch).1 < 1e-8);
    }
}
