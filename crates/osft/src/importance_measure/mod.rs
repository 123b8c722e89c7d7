//! Measures of a layer's importance: one file for each, and a handle by which configurations name them.
//!
//! A measure implements [`Importance`]. [`ImportanceMeasure::ALL`] lists those of this crate;
//! [`ImportanceMeasure::custom`] names one of another program.

mod cosine;
mod energy;
mod fisher_trace;
mod handle;
mod linear_cka;

use std::fmt::Debug;

pub use handle::ImportanceMeasure;

/// A measure of how much a layer matters, which [`ShareRule::adaptive`](crate::ShareRule::adaptive) reads.
///
/// Only the scores' ratios count: negative ones become 0, and all are divided by their mean over the layers.
pub trait Importance: Debug + Send + Sync {
    /// Name in settings and files, such as `linear_cka`.
    fn name(&self) -> &'static str;

    /// Name in sentences.
    fn label(&self) -> &'static str;

    /// What the score needs beside the energy of the inputs.
    fn reads(&self) -> Reads {
        Reads::Inputs
    }

    /// The score of a layer.
    fn score(&self, layer: &LayerMeasurements) -> f64;

    /// A mean score that is not above this is noise, and all layers count as equally important.
    fn noise(&self) -> f64 {
        0.0
    }
}

/// What a measure needs beside the energy of a layer's inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Nothing.
    Inputs,
    /// The outputs of the calibration pass.
    Outputs,
    /// The weight, from which the covariance of the outputs follows.
    Weight,
    /// Gradients, by a backward pass for every calibration row.
    Gradients,
}

/// The measurements of a layer. Numbers that the measure does not [read](Reads) are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LayerMeasurements {
    /// `[d_in, d_out]`
    pub shape: [usize; 2],
    /// `E‖x‖²`, the mean squared length of the inputs.
    pub input_energy: f64,
    /// With [`Reads::Outputs`], the mean of `cos(x, y)` over tokens, both truncated to their first
    /// `min(d_in, d_out)` entries.
    pub mean_cosine: f64,
    /// With [`Reads::Weight`], linear CKA of inputs and outputs, in `[0, 1]`.
    pub linear_cka: f64,
    /// With [`Reads::Gradients`], the mean over rows of `‖∂L/∂W‖_F²`, `L` being the summed loss of one row.
    pub squared_gradient: f64,
}

/// A mean cosine or alignment below this is noise: those of unrelated vectors with some thousand entries are of
/// that size. Dividing by such a mean would turn noise into shares.
const NOISE_OF_ALIGNMENT: f64 = 0.01;
