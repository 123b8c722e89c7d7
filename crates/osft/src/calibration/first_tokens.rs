//! Directions of the rows' first tokens, which are protected exactly.

use faer::Mat;

use super::moment::{Moment, Second, Spectrum};
use crate::linalg::{completed, decompose_rows, eigen};

/// Part of a direction that must be left outside the present ones for it to count as a new one: less than that is
/// the rounding of inputs in f32.
const NEW: f64 = 1e-6;

/// Sums over the inputs at one position of the rows.
#[derive(Clone, Debug)]
pub(super) struct PositionSums {
    sum: Vec<f64>,
    squares: f64,
    rows: usize,
}

impl PositionSums {
    pub(super) fn zeros(dimension: usize) -> Self {
        Self {
            sum: vec![0.0; dimension],
            squares: 0.0,
            rows: 0,
        }
    }

    /// Adds inputs, row after row.
    pub(super) fn add(&mut self, inputs: &[f64]) {
        for input in inputs.chunks(self.sum.len().max(1)) {
            self.rows += 1;
            for (sum, value) in self.sum.iter_mut().zip(input) {
                *sum += value;
                self.squares += value * value;
            }
        }
    }

    /// The direction of the mean; `None` if the inputs cancel to rounding.
    fn direction(&self) -> Option<Vec<f64>> {
        let length = norm(&self.sum);
        let typical = (self.squares * self.rows as f64).sqrt();
        (length > NEW * typical).then(|| self.sum.iter().map(|value| value / length).collect())
    }
}

/// An orthonormal basis, `[d, r]`, of the directions of the means.
pub(super) fn basis_of(positions: &[PositionSums], dimension: usize) -> Mat<f64> {
    let directions = positions.iter().filter_map(PositionSums::direction);
    directions.fold(Mat::zeros(dimension, 0), |basis, direction| {
        with_direction(basis, &direction)
    })
}

/// A basis that also spans the columns of another one.
pub(super) fn joined(basis: Mat<f64>, other: &Mat<f64>) -> Mat<f64> {
    (0..other.ncols()).fold(basis, |basis, column| {
        let direction: Vec<f64> = other.col(column).iter().copied().collect();
        with_direction(basis, &direction)
    })
}

/// An orthonormal basis that also spans a unit vector.
fn with_direction(basis: Mat<f64>, direction: &[f64]) -> Mat<f64> {
    let (d, r) = (basis.nrows(), basis.ncols());
    let mut left = Mat::from_fn(d, 1, |i, _| direction[i]);
    // Twice: once leaves the rounding of what was taken away, relative to the little that is left.
    for _ in 0..2 {
        let part = basis.transpose() * &left;
        left -= &basis * part;
    }
    let length = left.norm_l2();
    if r == d || length <= NEW {
        return basis;
    }
    Mat::from_fn(d, r + 1, |i, j| match j < r {
        true => basis[(i, j)],
        false => left[(i, 0)] / length,
    })
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

impl Moment {
    /// As [`spectrum`](Self::spectrum), of the inputs without their part in the first tokens' directions: with
    /// eigenvectors outside those alone.
    pub(crate) fn spectrum_beside_first(&self) -> Option<Spectrum> {
        let r = self.first.ncols();
        if r == 0 {
            return self.spectrum();
        }
        let d = self.dimension();
        if r == d {
            return Some(Spectrum {
                values: Vec::new(),
                vectors: Mat::zeros(d, 0),
            });
        }
        let whole = completed(self.first.clone());
        let beside = whole.subcols(r, d - r).to_owned();
        let (values, vectors) = match &self.second {
            Second::Dense(moment) => {
                let inside = beside.transpose() * moment.full() * &beside;
                eigen(&inside)?
            }
            Second::Sketched(sketch) => decompose_rows(&(sketch.matrix() * &beside))?,
        };
        Some(Spectrum {
            values,
            vectors: beside * vectors,
        })
    }

    /// The energy that [`spectrum_beside_first`](Self::spectrum_beside_first) is of: `tr(Σ)` without its part
    /// in the first tokens' directions.
    pub(crate) fn energy_beside_first(&self) -> f64 {
        match self.first.ncols() {
            0 => self.trace(),
            _ => (self.trace() - self.energy_of(&self.first)).max(0.0),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn positions(inputs: &[&[f64]]) -> PositionSums {
        let mut sums = PositionSums::zeros(inputs[0].len());
        inputs.iter().for_each(|input| sums.add(input));
        sums
    }

    #[test]
    fn a_direction_that_is_there_is_not_added_again() {
        let first = positions(&[&[2.0, 0.0, 0.0], &[4.0, 1e-7, 0.0]]);
        let second = positions(&[&[1.0, 0.0, 1.0]]);
        let basis = basis_of(&[first.clone(), second], 3);
        assert_eq!(basis.ncols(), 2);
        let gram = basis.transpose() * &basis;
        assert!((gram - Mat::<f64>::identity(2, 2)).norm_max() < 1e-14);
        // The mean of the second is inside, and so is the first again.
        let again = joined(basis.clone(), &basis_of(&[first], 3));
        assert_eq!(again, basis);
        let inside = &basis * (basis.transpose() * Mat::from_fn(3, 1, |i, _| [1.0, 0.0, 1.0][i]));
        assert!((inside[(0, 0)] - 1.0).abs() < 1e-14 && (inside[(2, 0)] - 1.0).abs() < 1e-14);
    }

    #[test]
    fn inputs_that_cancel_have_no_direction() {
        let cancelled = positions(&[&[1.0, 2.0], &[-1.0, -2.0]]);
        let nothing = positions(&[&[0.0, 0.0]]);
        let never = PositionSums::zeros(2);
        assert_eq!(basis_of(&[cancelled, nothing, never], 2).ncols(), 0);
    }
}
