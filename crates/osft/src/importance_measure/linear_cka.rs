//! Importance by the similarity of inputs and outputs: linear CKA.

use super::{Importance, LayerMeasurements, NOISE_OF_ALIGNMENT, Reads};

/// Linear centered kernel alignment of inputs and outputs.
///
/// # References
///
/// Kornblith et al., "Similarity of Neural Network Representations Revisited", ICML 2019.
#[derive(Debug)]
pub(super) struct LinearCka;

impl Importance for LinearCka {
    fn name(&self) -> &'static str {
        "linear_cka"
    }

    fn label(&self) -> &'static str {
        "linear CKA"
    }

    fn reads(&self) -> Reads {
        Reads::Weight
    }

    fn score(&self, layer: &LayerMeasurements) -> f64 {
        layer.linear_cka
    }

    fn noise(&self) -> f64 {
        NOISE_OF_ALIGNMENT
    }
}
