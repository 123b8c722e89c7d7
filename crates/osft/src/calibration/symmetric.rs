//! A symmetric matrix in half the numbers of a full one.

use burn::tensor::TensorData;
use faer::Mat;

/// Smallest dimension whose entries are stored in f32 where the inputs were not f64 themselves.
///
/// Inputs in f32 determine the entries of a moment to about 1e-7 and no better. Small matrices keep the
/// digits of the f64 sums nevertheless: they take no memory worth saving.
pub(crate) const SINGLE_FROM: usize = 512;

/// A symmetric matrix: its upper triangle, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Symmetric {
    dimension: usize,
    values: Values,
}

/// The `d (d + 1) / 2` entries on and above the diagonal.
#[derive(Clone, Debug, PartialEq)]
enum Values {
    Single(Vec<f32>),
    Double(Vec<f64>),
}

impl Symmetric {
    /// Sums that start at zero, in f64.
    pub(crate) fn zeros(dimension: usize) -> Self {
        Self {
            dimension,
            values: Values::Double(vec![0.0; count(dimension)]),
        }
    }

    /// The mean of a square matrix and its transpose.
    pub(crate) fn of(matrix: &Mat<f64>) -> Self {
        let d = matrix.nrows();
        let places = (0..d).flat_map(|i| (i..d).map(move |j| (i, j)));
        let mean = |(i, j)| (matrix[(i, j)] + matrix[(j, i)]) * 0.5;
        Self {
            dimension: d,
            values: Values::Double(places.map(mean).collect()),
        }
    }

    /// A matrix from its saved entries; `None` if their number does not fit.
    pub(crate) fn from_data(dimension: usize, data: &TensorData) -> Option<Self> {
        if data.shape()[..] != [count(dimension)] {
            return None;
        }
        let values = match data.as_slice::<f32>() {
            Ok(values) => Values::Single(values.to_vec()),
            Err(_) => Values::Double(data.iter::<f64>().collect()),
        };
        Some(Self { dimension, values })
    }

    /// The entries as they are saved, `[d (d + 1) / 2]`.
    pub(crate) fn data(&self) -> TensorData {
        let shape = [count(self.dimension)];
        match &self.values {
            Values::Single(values) => TensorData::new(values.clone(), shape),
            Values::Double(values) => TensorData::new(values.clone(), shape),
        }
    }

    pub(crate) fn dimension(&self) -> usize {
        self.dimension
    }

    /// Adds `factor` times a symmetric matrix, given row by row. Its upper triangle is read.
    pub(crate) fn add<T: Copy + Into<f64>>(&mut self, matrix: &[T], factor: f64) {
        let d = self.dimension;
        let Values::Double(sums) = &mut self.values else {
            unreachable!("invariant: sums are f64 until they are complete");
        };
        let mut rest = sums.as_mut_slice();
        for i in 0..d {
            let (row, below) = rest.split_at_mut(d - i);
            for (sum, value) in row.iter_mut().zip(&matrix[i * d + i..(i + 1) * d]) {
                *sum += (*value).into() * factor;
            }
            rest = below;
        }
    }

    /// Multiplies the matrix by a number.
    pub(crate) fn scale(&mut self, factor: f64) {
        match &mut self.values {
            Values::Single(values) => values
                .iter_mut()
                .for_each(|value| *value = (f64::from(*value) * factor) as f32),
            Values::Double(values) => values.iter_mut().for_each(|value| *value *= factor),
        }
    }

    /// Whether the entries are stored in f32.
    pub(crate) fn is_single(&self) -> bool {
        matches!(self.values, Values::Single(_))
    }

    /// Whether f32 holds the entries: those on the diagonal are the largest.
    pub(crate) fn fits_single(&self) -> bool {
        let largest = self.diagonal().fold(0.0_f64, f64::max);
        largest == 0.0 || (1e-30..1e37).contains(&largest)
    }

    /// Stores the entries in f32.
    pub(crate) fn into_single(self) -> Self {
        let values = match self.values {
            Values::Double(values) => values.into_iter().map(|value| value as f32).collect(),
            Values::Single(values) => values,
        };
        Self {
            dimension: self.dimension,
            values: Values::Single(values),
        }
    }

    /// `own_factor · self + newer_factor · newer`, in the better precision of the two.
    ///
    /// Both have the same dimension.
    pub(crate) fn mixed(self, own_factor: f64, newer: &Self, newer_factor: f64) -> Self {
        let mix = |own: f64, new: f64| own * own_factor + new * newer_factor;
        let values = match (self.values, &newer.values) {
            (Values::Single(mut own), Values::Single(new)) => {
                for (own, new) in own.iter_mut().zip(new) {
                    *own = mix(f64::from(*own), f64::from(*new)) as f32;
                }
                Values::Single(own)
            }
            (Values::Double(mut own), Values::Double(new)) => {
                own.iter_mut()
                    .zip(new)
                    .for_each(|(own, new)| *own = mix(*own, *new));
                Values::Double(own)
            }
            (Values::Double(mut own), Values::Single(new)) => {
                own.iter_mut()
                    .zip(new)
                    .for_each(|(own, new)| *own = mix(*own, f64::from(*new)));
                Values::Double(own)
            }
            (Values::Single(own), Values::Double(new)) => {
                let pairs = own.into_iter().zip(new);
                Values::Double(pairs.map(|(own, new)| mix(f64::from(own), *new)).collect())
            }
        };
        Self {
            dimension: self.dimension,
            values,
        }
    }

    /// The full matrix, `[d, d]`, in f64.
    pub(crate) fn full(&self) -> Mat<f64> {
        let d = self.dimension;
        let mut full = Mat::zeros(d, d);
        let mut index = 0;
        for i in 0..d {
            for j in i..d {
                let value = self.value(index);
                full[(i, j)] = value;
                full[(j, i)] = value;
                index += 1;
            }
        }
        full
    }

    /// The sum of the diagonal.
    pub(crate) fn trace(&self) -> f64 {
        self.diagonal().sum()
    }

    /// The sum of the squares of all entries.
    pub(crate) fn squared_norm(&self) -> f64 {
        let count = count(self.dimension);
        let above: f64 = (0..count).map(|index| self.value(index).powi(2)).sum();
        let diagonal: f64 = self.diagonal().map(|value| value * value).sum();
        2.0 * above - diagonal
    }

    fn diagonal(&self) -> impl Iterator<Item = f64> {
        let d = self.dimension;
        // Row i begins after rows of d, d - 1, … entries.
        let starts = (0..d).scan(0, move |start, i| {
            let here = *start;
            *start += d - i;
            Some(here)
        });
        starts.map(move |start| self.value(start))
    }

    fn value(&self, index: usize) -> f64 {
        match &self.values {
            Values::Single(values) => f64::from(values[index]),
            Values::Double(values) => values[index],
        }
    }
}

fn count(dimension: usize) -> usize {
    dimension * (dimension + 1) / 2
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn packing_keeps_the_symmetric_part(
            d in 0usize..7,
            values in prop::collection::vec(-3.0f64..3.0, 36),
            factors in (0.0f64..2.0, 0.0f64..2.0),
        ) {
            let matrix = |offset: usize| Mat::from_fn(d, d, |i, j| values[(i * d + j + offset) % 36]);
            let symmetric = |m: &Mat<f64>| Mat::from_fn(d, d, |i, j| (m[(i, j)] + m[(j, i)]) * 0.5);
            let (a, b) = (matrix(0), matrix(7));
            let (own, new) = (Symmetric::of(&a), Symmetric::of(&b));
            prop_assert_eq!(own.full(), symmetric(&a));
            prop_assert_eq!(&Symmetric::from_data(d, &own.data()).unwrap(), &own);
            let trace: f64 = (0..d).map(|i| a[(i, i)]).sum();
            prop_assert!((own.trace() - trace).abs() < 1e-12);
            prop_assert!((own.squared_norm() - symmetric(&a).squared_norm_l2()).abs() < 1e-10);
            let single = own.clone().into_single();
            prop_assert_eq!(&Symmetric::from_data(d, &single.data()).unwrap(), &single);
            let expected = Mat::from_fn(d, d, |i, j| {
                symmetric(&a)[(i, j)] * factors.0 + symmetric(&b)[(i, j)] * factors.1
            });
            // Both in f64; one of them in f32, and then both: 6e-8 of values up to 12.
            for (own, new, tolerance) in [
                (own.clone(), new.clone(), 1e-12),
                (single.clone(), new.clone(), 1e-6),
                (own.clone(), new.clone().into_single(), 1e-6),
                (single, new.clone().into_single(), 2e-6),
            ] {
                let found = own.mixed(factors.0, &new, factors.1).full();
                prop_assert!((found - &expected).norm_max() <= tolerance);
            }
            let mut sums = Symmetric::zeros(d);
            let whole = symmetric(&a);
            let rows: Vec<f64> = (0..d * d).map(|at| whole[(at / d, at % d)]).collect();
            sums.add(&rows, 0.25);
            sums.add(&rows, 0.25);
            sums.scale(2.0);
            prop_assert!((sums.full() - whole).norm_max() < 1e-12);
        }
    }

    #[test]
    fn a_wrong_number_of_entries_is_refused() {
        let data = Symmetric::zeros(3).data();
        assert!(Symmetric::from_data(3, &data).is_some());
        assert!(Symmetric::from_data(4, &data).is_none());
    }
}
