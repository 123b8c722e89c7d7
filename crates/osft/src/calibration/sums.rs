//! Running sums over the inputs of layers that share an input.

use burn::tensor::Tensor;
use faer::Mat;

use super::moment::{Moment, Second};
use super::sketch::Sketch;

/// Running sums over the inputs of layers that share an input.
#[derive(Debug)]
pub(crate) struct Sums {
    pub rows: usize,
    sum: Vec<f64>,
    squares: f64,
    second: Second,
}

impl Sums {
    /// Empty sums for inputs of this dimension, with a sketch if it exceeds `max_dense_dimension`.
    pub(crate) fn new(max_dense_dimension: usize, sketch_rows: usize, dimension: usize) -> Self {
        let second = if dimension <= max_dense_dimension {
            Second::Dense(Mat::zeros(dimension, dimension))
        } else {
            Second::Sketched(Sketch::new(sketch_rows, dimension))
        };
        Self {
            rows: 0,
            sum: vec![0.0; dimension],
            squares: 0.0,
            second,
        }
    }

    /// Dimension of the inputs.
    pub(crate) fn dimension(&self) -> usize {
        self.sum.len()
    }

    pub(crate) fn add(&mut self, input: Tensor<2>) {
        let [rows, dimension] = input.dims();
        self.rows += rows;
        let host: Vec<f64> = input.clone().into_data().iter::<f64>().collect();
        let scale = exact_scale(&host);
        let product = match &self.second {
            Second::Dense(_) => {
                let scaled = if scale == 1.0 { input } else { input * scale };
                Some(scaled.clone().transpose().matmul(scaled))
            }
            Second::Sketched(_) => None,
        };
        for row in host.chunks(dimension.max(1)) {
            for (sum, value) in self.sum.iter_mut().zip(row) {
                *sum += value;
                self.squares += value * value;
            }
        }
        match &mut self.second {
            Second::Dense(moment) => {
                let product = product.map(Tensor::into_data);
                let values = product.iter().flat_map(|data| data.iter::<f64>());
                for (index, value) in values.enumerate() {
                    moment[(index / dimension, index % dimension)] += value / scale / scale;
                }
            }
            Second::Sketched(sketch) => {
                host.chunks(dimension).for_each(|row| sketch.push(row));
            }
        }
    }

    /// The moment: all sums divided by the number of inputs.
    pub(crate) fn normalized(mut self) -> Moment {
        let factor = 1.0 / self.rows.max(1) as f64;
        match &mut self.second {
            // Averaged with its transpose: a product is symmetric only up to rounding.
            Second::Dense(moment) => {
                *moment = Mat::from_fn(moment.nrows(), moment.ncols(), |i, j| {
                    (moment[(i, j)] + moment[(j, i)]) * 0.5 * factor
                });
            }
            Second::Sketched(sketch) => {
                sketch.shrink();
                sketch.scale(factor);
            }
        }
        let trace = match &self.second {
            Second::Dense(moment) => (0..moment.nrows()).map(|i| moment[(i, i)]).sum(),
            Second::Sketched(_) => self.squares * factor,
        };
        Moment {
            mean: self.sum.iter().map(|value| value * factor).collect(),
            trace,
            second: self.second,
        }
    }
}

/// A power of two that scales the values to about 1 if their squares would leave the range of f32, in which
/// the products are computed; otherwise 1.
fn exact_scale(values: &[f64]) -> f64 {
    let largest = values
        .iter()
        .fold(0.0_f64, |largest, value| largest.max(value.abs()));
    match largest > 0.0 && largest.is_finite() && !(1e-12..1e12).contains(&largest) {
        true => largest.log2().floor().exp2().recip(),
        false => 1.0,
    }
}
