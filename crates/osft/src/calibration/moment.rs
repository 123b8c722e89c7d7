//! The second moment of a layer's inputs.

use burn::tensor::TensorData;
use faer::Mat;
use sha2::{Digest, Sha256};

use super::first_tokens::joined;
use super::sketch::Sketch;
use super::symmetric::Symmetric;

use crate::linalg::{decompose_rows, eigen, hexadecimal, matrix_data, vector_data};

/// `Σ = E[xᵀ x]` of the inputs `x` of one or more layers, with their mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// `E[x]`, `[d]`.
    pub(crate) mean: Vec<f64>,
    /// `tr(Σ) = E[‖x‖²]`, not of the sketch where `Σ` is one.
    pub(crate) trace: f64,
    pub(crate) second: Second,
    /// An orthonormal basis of the mean directions of the first tokens that `Σ` leaves out, `[d, r]`.
    pub(crate) first: Mat<f64>,
    /// Expected squared error of `Σ` in the Frobenius norm, if it was measured.
    pub(crate) variance: Option<f64>,
}

/// Representation of `Σ`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Second {
    Dense(Symmetric),
    Sketched(Sketch),
}

/// A moment on the host.
pub(crate) enum Matrix {
    /// `Σ`, `[d, d]`.
    Full(Mat<f64>),
    /// `B` of a sketch `BᵀB`, `[rows, d]`.
    Rows(Mat<f64>),
}

/// Eigenvalues of a moment, descending, with their eigenvectors as columns.
#[derive(Clone, Debug)]
pub(crate) struct Spectrum {
    pub values: Vec<f64>,
    /// `[d, values.len()]`; a basis of the whole space if the moment is dense.
    pub vectors: Mat<f64>,
}

impl Spectrum {
    /// Of `BᵀB`, from the rows `B`.
    fn of_rows(rows: &Mat<f64>) -> Option<Self> {
        let (values, vectors) = decompose_rows(rows)?;
        Some(Self { values, vectors })
    }
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
            Second::Dense(moment) => moment.data(),
            Second::Sketched(sketch) => matrix_data(&sketch.matrix()),
        };
        let numbers = [self.trace, self.sketch_error()];
        [vector_data(&self.mean), vector_data(&numbers), second]
    }

    /// What only some moments have: the first tokens' directions, the expected error.
    pub(crate) fn added_parts(&self) -> impl Iterator<Item = TensorData> {
        let first = (self.first.ncols() > 0).then(|| matrix_data(&self.first));
        let variance = self.variance.map(|variance| vector_data(&[variance]));
        first.into_iter().chain(variance)
    }

    /// `‖Σ‖²` in the Frobenius norm; of the sketch if `Σ` is one.
    pub(crate) fn squared_norm(&self) -> f64 {
        match &self.second {
            Second::Dense(moment) => moment.squared_norm(),
            Second::Sketched(sketch) => {
                let rows = sketch.matrix();
                (&rows * rows.transpose()).squared_norm_l2()
            }
        }
    }

    /// Identifies the moment: a hash of its mean, its trace, its sketch error and what only some
    /// moments have, exact to the last bit.
    pub(crate) fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        let numbers = [self.trace, self.sketch_error()];
        for value in self.mean.iter().chain(&numbers) {
            hash.update(value.to_bits().to_le_bytes());
        }
        for part in self.added_parts() {
            hash.update(part.as_bytes());
        }
        hexadecimal(&hash.finalize())
    }

    /// `tr(Aᵀ Σ A)`, the mean squared length of `x A`. If `Σ` is a sketch, a lower bound that is too small by
    /// at most `sketch_error · ‖A‖_F²`.
    ///
    /// # Shapes
    /// - `a`: `[d, n]`
    pub(crate) fn energy_of(&self, a: &Mat<f64>) -> f64 {
        self.energies_of(a).iter().sum()
    }

    /// The energy of every column by itself, as [`energy_of`](Self::energy_of): of many columns in one product, since the
    /// whole moment is large.
    pub(crate) fn energies_of(&self, a: &Mat<f64>) -> Vec<f64> {
        let columns = 0..a.ncols();
        match &self.second {
            // Usually there are none, and the whole moment would be made for nothing.
            _ if columns.is_empty() => Vec::new(),
            Second::Dense(moment) => {
                let product = moment.full() * a;
                let energy = |j| (0..a.nrows()).map(|i| product[(i, j)] * a[(i, j)]).sum();
                columns
                    .map(energy)
                    .map(|energy: f64| energy.max(0.0))
                    .collect()
            }
            Second::Sketched(sketch) => {
                let product = sketch.matrix() * a;
                columns.map(|j| product.col(j).squared_norm_l2()).collect()
            }
        }
    }

    /// The numbers on the host.
    pub(crate) fn matrix(&self) -> Matrix {
        match &self.second {
            Second::Dense(moment) => Matrix::Full(moment.full()),
            Second::Sketched(sketch) => Matrix::Rows(sketch.matrix()),
        }
    }

    /// Eigenvalues and eigenvectors; `None` if the decomposition does not converge.
    pub(crate) fn spectrum(&self) -> Option<Spectrum> {
        match &self.second {
            Second::Dense(moment) => {
                let (values, vectors) = eigen(&moment.full())?;
                Some(Spectrum { values, vectors })
            }
            Second::Sketched(sketch) => Spectrum::of_rows(&sketch.matrix()),
        }
    }

    /// As [`spectrum`](Self::spectrum), of the inputs without their part in some directions: of
    /// `(I - M Mᵀ) Σ (I - M Mᵀ)`.
    ///
    /// # Shapes
    /// - `basis`: `M`, `[d, r]` with orthonormal columns
    pub(crate) fn spectrum_without(&self, basis: &Mat<f64>) -> Option<Spectrum> {
        if basis.ncols() == 0 {
            return self.spectrum();
        }
        match &self.second {
            Second::Dense(moment) => {
                let full = moment.full();
                let left = &full - basis * (basis.transpose() * &full);
                let rest = &left - (&left * basis) * basis.transpose();
                let (values, vectors) = eigen(&Symmetric::of(&rest).full())?;
                Some(Spectrum { values, vectors })
            }
            Second::Sketched(sketch) => {
                let rows = sketch.matrix();
                let rest = &rows - (&rows * basis) * basis.transpose();
                Spectrum::of_rows(&rest)
            }
        }
    }

    /// `Σ - μᵀ μ`, `[d, d]`.
    pub(crate) fn covariance(&self) -> Mat<f64> {
        let moment = match &self.second {
            Second::Dense(moment) => moment.full(),
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

    /// Whether [`mixed`](Self::mixed) can join this moment with another one.
    pub(crate) fn mixes_with(&self, newer: &Self) -> bool {
        let same = matches!(
            (&self.second, &newer.second),
            (Second::Dense(_), Second::Dense(_)) | (Second::Sketched(_), Second::Sketched(_))
        );
        same && self.dimension() == newer.dimension()
    }

    /// `own_factor · self + newer_factor · newer`, for two moments of the same dimension and
    /// representation.
    pub(crate) fn mixed(mut self, own_factor: f64, newer: &Self, newer_factor: f64) -> Self {
        for (value, new) in self.mean.iter_mut().zip(&newer.mean) {
            *value = *value * own_factor + new * newer_factor;
        }
        self.trace = self.trace * own_factor + newer.trace * newer_factor;
        self.first = joined(self.first, &newer.first);
        // The errors of two sources are independent.
        let variances = self.variance.zip(newer.variance);
        self.variance =
            variances.map(|(own, new)| own * own_factor.powi(2) + new * newer_factor.powi(2));
        self.second = match (self.second, &newer.second) {
            (Second::Dense(own), Second::Dense(new)) => {
                let mixed = own.mixed(own_factor, new, newer_factor);
                if mixed.is_single() {
                    // Of the rounded numbers: what is protected and what is not must add up.
                    self.trace = mixed.trace();
                }
                Second::Dense(mixed)
            }
            (Second::Sketched(mut own), Second::Sketched(new)) => {
                own.scale(own_factor);
                own.absorb(new, newer_factor);
                own.shrink();
                Second::Sketched(own)
            }
            (own, _) => own,
        };
        self
    }
}
