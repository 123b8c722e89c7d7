//! A bound on how far training moves the outputs of a layer on the calibrated inputs.

use burn::tensor::Tensor;

use crate::linalg::{to_host, to_tensor};
use crate::module::{beside, computed};
use crate::split::{InputEnergy, LayerSplit};

/// Shortens the coordinates `C` of a change `ΔW = N_P C N_Qᵀ` so that `tr(ΔWᵀ Σ ΔW)`, the mean squared length of what it
/// adds to the outputs, stays below a bound.
///
/// All coordinates of the layer are multiplied by the same number, so that the change keeps its direction.
#[derive(Clone, Debug)]
pub(crate) struct OutputLimit {
    /// `N_Pᵀ Σ N_P`, divided by the largest square length, `[coordinates, coordinates]`.
    moment: Tensor<2>,
}

impl OutputLimit {
    /// The limit of a layer whose outputs may change by `share` of their size; `None` without a calibration, or if the
    /// layer has no outputs to compare with.
    pub(crate) fn of(layer: &LayerSplit, share: f64) -> Option<Self> {
        let inputs: &InputEnergy = layer.inputs.as_ref()?;
        let moment = inputs.moment.as_ref()?;
        let most = share.powi(2) * inputs.outputs;
        if most <= 0.0 || most.is_nan() {
            return None;
        }
        let basis = layer.constraint.input_coordinates().map(to_host);
        let mut lowered = moment.lowered(basis.as_ref());
        for column in lowered.col_iter_mut() {
            for value in column.iter_mut() {
                *value /= most;
            }
        }
        let dtype = layer
            .constraint
            .dtype()
            .unwrap_or(computed(layer.start.dtype()));
        let device = layer.start.device();
        Some(Self {
            moment: to_tensor(lowered.as_ref(), &device, dtype),
        })
    }

    /// The coordinates, shortened if they move the outputs too far.
    ///
    /// # Shapes
    /// - `core` and output: [`Constraint::core_shape`](crate::Constraint::core_shape)
    pub(crate) fn hold(&self, core: Tensor<2>) -> Tensor<2> {
        let moment = beside(self.moment.clone().cast(core.dtype()), &core);
        let reached = (moment.matmul(core.clone()) * core.clone()).sum();
        // Below the bound, and where rounding makes a sum of squares negative, the factor is 1.
        let factor = reached.clamp_min(1.0).sqrt().recip();
        core * factor.unsqueeze()
    }
}
