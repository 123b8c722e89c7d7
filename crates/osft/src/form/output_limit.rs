//! A bound on how far training moves the outputs of a layer on the calibrated inputs.

use burn::tensor::{DType, Tensor};
use faer::linalg::matmul::matmul;
use faer::linalg::solvers::Llt;
use faer::{Accum, Mat, MatRef, Scale, Side, get_global_parallelism};

use kernels::sum_of_squares;

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
        Some(Self {
            root: root(moment, &layer.constraint, most, |root| {
                to_tensor(root, &layer.start.device(), dtype)
            }),
            missed: moment.sketch_error() / most,
        })
    }

    /// The coordinates, shortened if they move the outputs too far.
    ///
    /// # Shapes
    /// - `core` and output: [`Constraint::core_shape`]
    pub(crate) fn hold(&self, core: Tensor<2>) -> Tensor<2> {
        let root = beside(self.root.clone().cast(core.dtype()), &core);
        let mut reached = square_norm(root.matmul(core.clone()));
        if self.missed > 0.0 {
            // No coordinate is longer than its direction.
            reached = reached + square_norm(core.clone()) * self.missed;
        }
        let factor = reached.clamp_min(1.0).sqrt().recip();
        core * factor.unsqueeze()
    }
}

/// `‖A‖²`, by a sum whose order no thread decides: a run that is repeated takes the same steps.
fn square_norm(matrix: Tensor<2>) -> Tensor<1> {
    match matrix.dtype() {
        DType::F64 => matrix.square().sum(),
        dtype => sum_of_squares(matrix).cast(dtype),
    }
}

/// What `read` makes of `R` with `Rᵀ R = N_Pᵀ Σ N_P / most`, where `N_P` maps coordinates to changes of the inputs' side:
/// the free basis, or the projector onto the free directions.
fn root<T>(
    moment: &Moment,
    constraint: &Constraint,
    most: f64,
    read: impl Fn(MatRef<'_, f64>) -> T,
) -> T {
    let basis = constraint.input_coordinates().map(to_host);
    let protected = constraint.protected_inputs().map(to_host);
    match moment.matrix() {
        Matrix::Full(full) => {
            let mut reduced = match (&basis, &protected) {
                (Some(basis), _) => basis.transpose() * (full * basis),
                (None, Some(protected)) => without(full, protected),
                (None, None) => full,
            };
            reduced *= Scale(most.recip());
            triangular(reduced, read)
        }
        Matrix::Rows(rows) => {
            let mut reduced = match (&basis, &protected) {
                (Some(basis), _) => rows * basis,
                (None, Some(protected)) => {
                    let mut rows = rows;
                    let inside = &rows * protected;
                    subtract(&mut rows, inside.as_ref(), protected.transpose());
                    rows
                }
                (None, None) => rows,
            };
            reduced *= Scale(most.sqrt().recip());
            read(reduced.as_ref())
        }
    }
}

/// `(I − Q Qᵀ) Σ (I − Q Qᵀ)`, in the place of `Σ`, so that no second matrix `[d_in, d_in]` exists: `Σ − Q A − Aᵀ Qᵀ` with
/// `A = Qᵀ Σ − ½ (Qᵀ Σ Q) Qᵀ`.
///
/// # Shapes
/// - `moment` and output: `[d_in, d_in]`, symmetric
/// - `protected`, `Q`: `[d_in, k]`, orthonormal columns
fn without(mut moment: Mat<f64>, protected: &Mat<f64>) -> Mat<f64> {
    let mut crossed = protected.transpose() * &moment;
    let mut inside = &crossed * protected;
    inside *= Scale(0.5);
    subtract(&mut crossed, inside.as_ref(), protected.transpose());
    subtract(&mut moment, protected.as_ref(), crossed.as_ref());
    subtract(&mut moment, crossed.transpose(), protected.transpose());
    moment
}

/// Subtracts a product in place.
fn subtract(from: &mut Mat<f64>, left: MatRef<'_, f64>, right: MatRef<'_, f64>) {
    let threads = get_global_parallelism();
    matmul(from.as_mut(), Accum::Add, left, right, -1.0, threads);
}

/// What `read` makes of `R` with `Rᵀ R` of a second moment, whose elements below the diagonal are zero.
fn triangular<T>(mut moment: Mat<f64>, read: impl Fn(MatRef<'_, f64>) -> T) -> T {
    let n = moment.nrows();
    let trace = (0..n).map(|i| moment[(i, i)]).sum::<f64>();
    let mut raised = 0.0;
    for floor in FLOORS {
        let floor = floor * trace.max(f64::MIN_POSITIVE);
        for i in 0..n {
            moment[(i, i)] += floor - raised;
        }
        raised = floor;
        if let Ok(root) = Llt::new(moment.as_ref(), Side::Lower) {
            return read(root.L().transpose());
        }
    }
    // As if all of the energy were in every direction: the bound holds all the more.
    let mut most = Mat::<f64>::identity(n, n);
    most *= Scale(trace.max(0.0).sqrt());
    read(most.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(rows: usize, columns: usize) -> Mat<f64> {
        Mat::from_fn(rows, columns, |i, j| {
            ((i * i + 3 * i * j + j) as f64 * 0.37).sin()
        })
    }

    #[test]
    fn the_root_of_a_moment_rebuilds_it() {
        let rows = inputs(9, 6);
        let moment = rows.transpose() * &rows;
        let root = triangular(moment.clone(), |root| root.to_owned());
        assert!((root.transpose() * &root - &moment).norm_max() < 1e-7);
        assert!((0..6).all(|i| (0..i).all(|j| root[(i, j)] == 0.0)));
        // Rounding has left an eigenvalue of a moment of one input below 0.
        let input = Mat::from_fn(1, 4, |_, j| 1.0 + j as f64);
        let mut moment = input.transpose() * &input;
        moment[(0, 0)] -= 3e-7;
        let root = triangular(moment.clone(), |root| root.to_owned());
        assert!((root.transpose() * &root - &moment).norm_max() < 1e-3);
    }

    /// In place as from the definition, for every number of protected directions.
    #[test]
    fn a_moment_without_directions_is_its_projection() {
        let rows = inputs(11, 7);
        let moment = rows.transpose() * &rows;
        let basis = inputs(7, 7).qr().compute_Q();
        for k in 0..=7 {
            let protected = basis.subcols(0, k).to_owned();
            let free = Mat::<f64>::identity(7, 7) - &protected * protected.transpose();
            let expected = &free * &moment * &free;
            let rest = without(moment.clone(), &protected);
            assert!(
                (&rest - expected).norm_max() < 1e-12 * moment.norm_l2(),
                "{k}"
            );
            assert!(
                (&rest * &protected).norm_max() < 1e-12 * moment.norm_l2(),
                "{k}"
            );
        }
    }
}
