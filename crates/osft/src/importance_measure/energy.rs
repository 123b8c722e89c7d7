//! Importance by the energy of the inputs.

use super::{Importance, LayerMeasurements};

/// `E‖x‖² / d_in`, the mean squared input: by so much a random change of the weight, of a given length, moves
/// the outputs in the mean.
#[derive(Debug)]
pub(super) struct Energy;

impl Importance for Energy {
    fn name(&self) -> &'static str {
        "energy"
    }

    fn label(&self) -> &'static str {
        "energy of the inputs"
    }

    fn score(&self, layer: &LayerMeasurements) -> f64 {
        layer.input_energy / layer.shape[0].max(1) as f64
    }
}
