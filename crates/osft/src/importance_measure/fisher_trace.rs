//! Importance by the curvature of the loss.

use super::{Importance, LayerMeasurements, Reads};

/// The trace of the empirical Fisher matrix per weight, `E‖∂L/∂W‖_F² / (d_in d_out)` over rows: it stands for the
/// trace of the Hessian, which it equals for a model that predicts its labels' distribution.
///
/// # References
///
/// Martens, "New Insights and Perspectives on the Natural Gradient Method", JMLR 2020, section 5.
#[derive(Debug)]
pub(super) struct FisherTrace;

impl Importance for FisherTrace {
    fn name(&self) -> &'static str {
        "fisher_trace"
    }

    fn label(&self) -> &'static str {
        "Fisher trace"
    }

    fn reads(&self) -> Reads {
        Reads::Gradients
    }

    fn score(&self, layer: &LayerMeasurements) -> f64 {
        let weights = layer.shape[0] * layer.shape[1];
        layer.squared_gradient / weights.max(1) as f64
    }
}
