//! Singular triplets of weights, for methods that start from some of them.

use burn::module::Module;
use burn::tensor::TensorData;
use faer::Mat;
use rayon::prelude::*;

use crate::config::Targets;
use crate::error::OsftError;
use crate::linalg::{Vectors, decompose, matrix_data};
use crate::module::{Survey, Weight, weights};
use crate::split::on_temporary_threads;

/// Some singular triplets of a weight: `input · diag(values) · outputᵀ` is their part of it.
///
/// # Shapes
/// - `input`: `[d_in, count]`, orthonormal columns, f64
/// - `output`: `[d_out, count]`, orthonormal columns, f64
#[derive(Clone, Debug, PartialEq)]
pub struct SingularTriplets {
    /// Path of the weight in the module.
    pub path: String,
    /// The singular values, descending.
    pub values: Vec<f64>,
    /// The singular vectors on the side of the layer's input.
    pub input: TensorData,
    /// The singular vectors on the side of the layer's output.
    pub output: TensorData,
}

/// Which singular triplets of a weight; all of them if it has no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhichTriplets {
    /// So many with the largest singular values.
    Largest(usize),
    /// So many with the smallest singular values.
    Smallest(usize),
}

impl SingularTriplets {
    /// Decomposes the target weights of a module, in parallel over layers; in the order of
    /// [`Targets::selected`].
    ///
    /// The result depends on the values alone: every decomposition runs on one thread, in f64, and the
    /// largest component of every input vector is positive.
    ///
    /// # Errors
    ///
    /// The errors of [`Targets::selected`]. [`OsftError::Reparameterized`] if something is attached to the
    /// module; [`OsftError::Empty`], [`OsftError::UnsupportedDType`], [`OsftError::NonFinite`] and
    /// [`OsftError::NoConvergence`] name the layer that cannot be decomposed.
    pub fn of<M: Module>(
        module: &M,
        targets: &Targets,
        which: WhichTriplets,
    ) -> Result<Vec<Self>, OsftError> {
        let survey = Survey::of(module);
        survey.refuse_attachments()?;
        let weights = weights(module, &targets.places(&survey)?);
        on_temporary_threads(|| {
            let weights = weights.par_iter();
            weights
                .map(|weight| Self::in_weight(weight, which))
                .collect()
        })
    }

    fn in_weight(weight: &Weight, which: WhichTriplets) -> Result<Self, OsftError> {
        let parts = decompose(&weight.to_host()?, Vectors::Thin);
        let parts = parts.ok_or_else(|| OsftError::NoConvergence {
            layer: weight.path.clone(),
        })?;
        let available = parts.values.len();
        let (first, count) = match which {
            WhichTriplets::Largest(count) => (0, count.min(available)),
            WhichTriplets::Smallest(count) => {
                (available.saturating_sub(count), count.min(available))
            }
        };
        let columns = |vectors: &Mat<f64>| {
            let chosen = vectors.subcols(first, count).to_owned();
            matrix_data(&chosen)
        };
        Ok(Self {
            path: weight.path.clone(),
            values: parts.values[first..first + count].to_vec(),
            input: columns(&parts.input),
            output: columns(&parts.output),
        })
    }
}
