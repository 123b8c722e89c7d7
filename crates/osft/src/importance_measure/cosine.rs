//! Importance by the similarity of inputs and outputs: the cosine of the paper.

use super::{Importance, LayerMeasurements, NOISE_OF_ALIGNMENT, Reads};

/// The paper's measure: the mean over tokens of `cos(x, y)`.
///
/// # References
///
/// arXiv 2504.07097, section 3.3; AdaSVD's measure.
#[derive(Debug)]
pub(super) struct Cosine;

impl Importance for Cosine {
    fn name(&self) -> &'static str {
        "cosine"
    }

    fn label(&self) -> &'static str {
        "cosine"
    }

    fn reads(&self) -> Reads {
        Reads::Outputs
    }

    fn score(&self, layer: &LayerMeasurements) -> f64 {
        layer.mean_cosine
    }

    fn noise(&self) -> f64 {
        NOISE_OF_ALIGNMENT
    }
}
