//! A bound on how far training moves the outputs of a layer on the calibrated inputs.

use burn::tensor::Tensor;
use faer::Mat;
use faer::linalg::solvers::Llt;

use crate::calibration::{Matrix, Moment};
use crate::linalg::{to_host, to_tensor};
use crate::module::{beside, computed};
use crate::split::{Constraint, LayerSplit};

/// What is added to every eigenvalue of a moment, relative to its trace, until it has a triangular root: nothing where few
/// inputs or their rounding in f32 leave eigenvalues that are not above 0. The bound becomes that much stricter.
const FLOORS: [f64; 8] = [1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2];

/// Shortens the coordinates `C` of a change `ΔW = N_P C N_Qᵀ` so that `tr(ΔWᵀ Σ ΔW)`, the mean squared length of what it
/// adds to the outputs, stays below a bound.
///
/// All coordinates of the layer are multiplied by the same number, so that the change keeps its direction. The length is
/// computed by a root of the moment: by the moment itself, protected energies would have to cancel, which f32 does not
/// do.
#[derive(Clone, Debug)]
pub(crate) struct OutputLimit {
    /// `R` with `Rᵀ R = N_Pᵀ Σ N_P`, divided by the largest length, `[r, coordinates]`.
    root: Tensor<2>,
    /// Energy that a sketch may miss of any direction, divided by the largest square length.
    missed: f64,
}

impl OutputLimit {
    /// The limit of a layer whose outputs may change by `share` of their size; `None` if nothing is retained, or if the
    /// layer has no outputs to compare with.
    pub(crate) fn of(layer: &LayerSplit, share: f64) -> Option<Self> {
        let inputs = layer.inputs.as_ref()?;
        let moment = inputs.moment.as_ref()?;
        let most = share.powi(2) * inputs.outputs;
        if most <= 0.0 || most.is_nan() {
            return None;
        }
        let dtype = layer
            .constraint
            .dtype()
            .unwrap_or(computed(layer.start.dtype()));
        let root = root(moment, &layer.constraint) * faer::Scale(most.sqrt().recip());
        Some(Self {
            root: to_tensor(root.as_ref(), &layer.start.device(), dtype),
            missed: moment.sketch_error() / most,
        })
    }

    /// The coordinates, shortened if they move the outputs too far.
    ///
    /// # Shapes
    /// - `core` and output: [`Constraint::core_shape`]
    pub(crate) fn hold(&self, core: Tensor<2>) -> Tensor<2> {
        let root = beside(self.root.clone().cast(core.dtype()), &core);
        let mut reached = root.matmul(core.clone()).square().sum();
        if self.missed > 0.0 {
            // No coordinate is longer than its direction.
            reached = reached + core.clone().square().sum() * self.missed;
        }
        let factor = reached.clamp_min(1.0).sqrt().recip();
        core * factor.unsqueeze()
    }
}

/// `R` with `Rᵀ R = N_Pᵀ Σ N_P`, where `N_P` maps coordinates to changes of the inputs' side: the free basis, or the
/// projector onto the free directions.
fn root(moment: &Moment, constraint: &Constraint) -> Mat<f64> {
    let basis = constraint.input_coordinates().map(to_host);
    let protected = constraint.protected_inputs().map(to_host);
    let without = |rows: Mat<f64>| match &protected {
        Some(protected) => &rows - (&rows * protected) * protected.transpose(),
        None => rows,
    };
    let full = match moment.matrix() {
        Matrix::Full(full) => full,
        Matrix::Rows(rows) => {
            return match &basis {
                Some(basis) => rows * basis,
                None => without(rows),
            };
        }
    };
    triangular(&match &basis {
        Some(basis) => basis.transpose() * (full * basis),
        None => without(without(full).transpose().to_owned()),
    })
}

/// `R` with `Rᵀ R` of a second moment, whose rows below the diagonal are zero.
fn triangular(moment: &Mat<f64>) -> Mat<f64> {
    let n = moment.nrows();
    let trace = (0..n).map(|i| moment[(i, i)]).sum::<f64>();
    for floor in FLOORS {
        let floor = floor * trace.max(f64::MIN_POSITIVE);
        let raised = Mat::from_fn(n, n, |i, j| {
            moment[(i, j)] + if i == j { floor } else { 0.0 }
        });
        if let Ok(root) = Llt::new(raised.as_ref(), faer::Side::Lower) {
            return Mat::from_fn(n, n, |i, j| match i <= j {
                true => root.L()[(j, i)],
                false => 0.0,
            });
        }
    }
    // As if all of the energy were in every direction: the bound holds all the more.
    Mat::<f64>::identity(n, n) * faer::Scale(trace.max(0.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_of_a_moment_rebuilds_it() {
        let rows = Mat::from_fn(9, 6, |i, j| ((i * i + 3 * i * j + j) as f64 * 0.37).sin());
        let moment = rows.transpose() * &rows;
        let root = triangular(&moment);
        assert!((root.transpose() * &root - &moment).norm_max() < 1e-7);
        // Rounding has left an eigenvalue of a moment of one input below 0.
        let input = Mat::from_fn(1, 4, |_, j| 1.0 + j as f64);
        let mut moment = input.transpose() * &input;
        moment[(0, 0)] -= 3e-7;
        let root = triangular(&moment);
        assert!((root.transpose() * &root - &moment).norm_max() < 1e-3);
    }
}
