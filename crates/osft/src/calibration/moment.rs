//! The second moment of a layer's inputs.

use burn::tensor::TensorData;
use faer::{Mat, Scale};
use sha2::{Digest, Sha256};

use super::sketch::Sketch;

use crate::linalg::{Vectors, decompose, eigen, hexadecimal, matrix_data, vector_data};

/// `Σ = E[xᵀ x]` of the inputs `x` of one or more layers, with their mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// `E[x]`, `[d]`.
    pub(crate) mean: Vec<f64>,
    /// `tr(Σ) = E[‖x‖²]`, exact even where `Σ` is a sketch.
    pub(crate) trace: f64,
    pub(crate) second: Second,
}

/// Representation of `Σ`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Second {
    /// `[d, d]`
    Dense(Mat<f64>),
    Sketched(Sketch),
}

/// Eigenvalues of a moment, descending, with their eigenvectors as columns.
#[derive(Clone, Debug)]
pub(crate) struct Spectrum {
    pub values: Vec<f64>,
    /// `[d, values.len()]`; a basis of the whole space if the moment is dense.
    pub vectors: Mat<f64>,
}

impl Moment {
    /// Dimension of the inputs.
    pub fn dimension(&self) -> usize {
        self.mean.len()
    }

    /// `tr(Σ)`, the mean squared length of the inputs.
    pub fn trace(&self) -> f64 {
        self.trace
    }

    /// Upper bound of the energy that a sketch misses in any one direction; 0 if `Σ` is exact.
    pub fn sketch_error(&self) -> f64 {
        match &self.second {
            Second::Dense(_) => 0.0,
            Second::Sketched(sketch) => sketch.shrinkage(),
        }
    }

    /// All numbers as they are saved: the mean; the trace and the sketch error; `Σ` or the rows of its
    /// sketch.
    pub(crate) fn parts(&self) -> [TensorData; 3] {
        let second = match &self.second {
            Second::Dense(moment) => matrix_data(moment),
            Second::Sketched(sketch) => matrix_data(&sketch.matrix()),
        };
        let numbers = [self.trace, self.sketch_error()];
        [vector_data(&self.mean), vector_data(&numbers), second]
    }

    /// Identifies the moment: a hash of its mean, its trace and its sketch error, exact to the last bit.
    pub(crate) fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        let numbers = [self.trace, self.sketch_error()];
        for value in self.mean.iter().chain(&numbers) {
            hash.update(value.to_bits().to_le_bytes());
        }
        hexadecimal(&hash.finalize())
    }

    /// `tr(Aᵀ Σ A)`, the mean squared length of `x A`. If `Σ` is a sketch, a lower bound that is too small by
    /// at most `sketch_error · ‖A‖_F²`.
    ///
    /// # Shapes
    /// - `a`: `[d, n]`
    pub(crate) fn energy_of(&self, a: &Mat<f64>) -> f64 {
        match &self.second {
            Second::Dense(moment) => {
                let product = moment * a;
                let columns = 0..a.ncols();
                columns
                    .flat_map(|j| (0..a.nrows()).map(move |i| (i, j)))
                    .map(|(i, j)| product[(i, j)] * a[(i, j)])
                    .sum::<f64>()
                    .max(0.0)
            }
            Second::Sketched(sketch) => (sketch.matrix() * a).squared_norm_l2(),
        }
    }

    /// Eigenvalues and eigenvectors; `None` if the decomposition does not converge.
    pub(crate) fn spectrum(&self) -> Option<Spectrum> {
        match &self.second {
            Second::Dense(moment) => {
                let (values, vectors) = eigen(moment)?;
                Some(Spectrum { values, vectors })
            }
            Second::Sketched(sketch) => {
                let parts = decompose(&sketch.matrix().transpose().to_owned(), Vectors::Thin)?;
                Some(Spectrum {
                    values: parts.values.iter().map(|s| s * s).collect(),
                    vectors: parts.input,
                })
            }
        }
    }

    /// `Σ - μᵀ μ`, `[d, d]`.
    pub(crate) fn covariance(&self) -> Mat<f64> {
        let moment = match &self.second {
            Second::Dense(moment) => moment.clone(),
            Second::Sketched(sketch) => {
                let rows = sketch.matrix();
                rows.transpose() * &rows
            }
        };
        Mat::from_fn(self.dimension(), self.dimension(), |i, j| {
            moment[(i, j)] - self.mean[i] * self.mean[j]
        })
    }

    pub(crate) fn is_finite(&self) -> bool {
        self.trace.is_finite() && self.mean.iter().all(|value| value.is_finite())
    }

    /// `own_factor · self + newer_factor · newer`; `None` if dimensions or representations differ.
    pub(crate) fn mixed(
        mut self,
        own_factor: f64,
        newer: &Self,
        newer_factor: f64,
    ) -> Option<Self> {
        if self.dimension() != newer.dimension() {
            return None;
        }
        for (value, new) in self.mean.iter_mut().zip(&newer.mean) {
            *value = *value * own_factor + new * newer_factor;
        }
        self.trace = self.trace * own_factor + newer.trace * newer_factor;
        match (&mut self.second, &newer.second) {
            (Second::Dense(own_moment), Second::Dense(new_moment)) => {
                *own_moment = Scale(own_factor) * &*own_moment + Scale(newer_factor) * new_moment;
            }
            (Second::Sketched(own_sketch), Second::Sketched(new_sketch)) => {
                own_sketch.scale(own_factor);
                own_sketch.absorb(new_sketch, newer_factor);
                own_sketch.shrink();
            }
            _ => return None,
        }
        Some(self)
    }
}
