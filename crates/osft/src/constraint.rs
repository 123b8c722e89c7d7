//! Both sides of a split together: the set of changes a weight is allowed.

use burn::tensor::Tensor;

use crate::Side;

/// The changes `ΔW = N_P C N_Qᵀ` that a weight of shape `[d_in, d_out]` is allowed.
///
/// `P` is the protected basis of the inputs, `Q` that of the outputs, `N` their complements. The
/// matrix `C` holds the *core coordinates*, in which an optimizer runs.
#[derive(Clone, Debug)]
pub struct Constraint {
    /// Directions of the inputs, of dimension `d_in`.
    pub input: Side,
    /// Directions of the outputs, of dimension `d_out`.
    pub output: Side,
}

impl Constraint {
    /// Whether nothing is protected, so that the weight is an ordinary parameter.
    pub fn is_open(&self) -> bool {
        matches!((&self.input, &self.output), (Side::Open, Side::Open))
    }

    /// Whether nothing can move.
    pub fn is_closed(&self) -> bool {
        matches!(self.input, Side::Closed) || matches!(self.output, Side::Closed)
    }

    /// Shape of the core coordinates of a weight of shape `[d_in, d_out]`.
    pub fn core_shape(&self, [d_in, d_out]: [usize; 2]) -> [usize; 2] {
        [self.input.coordinates(d_in), self.output.coordinates(d_out)]
    }

    /// Core coordinates of a dense gradient: `N_Pᵀ G N_Q`.
    ///
    /// # Shapes
    /// - `gradient`: `[d_in, d_out]`
    /// - output: [`core_shape`](Self::core_shape)
    pub fn lower(&self, gradient: Tensor<2>) -> Tensor<2> {
        transposed(self.input.lower(gradient), |x| self.output.lower(x))
    }

    /// The dense change that core coordinates stand for: `N_P C N_Qᵀ`.
    ///
    /// # Shapes
    /// - `core`: [`core_shape`](Self::core_shape)
    /// - output: `[d_in, d_out]`
    pub fn lift(&self, core: Tensor<2>) -> Tensor<2> {
        transposed(self.input.lift(core), |x| self.output.lift(x))
    }

    /// Core coordinates with everything removed that is not free.
    ///
    /// The identity where both sides are kept as free bases. Elsewhere the coordinates are the
    /// weight's own, and an elementwise optimizer such as AdamW moves them back into the
    /// protected directions at every step.
    ///
    /// # Shapes
    /// - `core` and output: [`core_shape`](Self::core_shape)
    pub fn constrain(&self, core: Tensor<2>) -> Tensor<2> {
        transposed(self.input.constrain(core), |x| self.output.constrain(x))
    }
}

/// Applies a map over rows to the columns of `x`.
pub(crate) fn transposed(x: Tensor<2>, map: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Tensor<2> {
    map(x.transpose()).transpose()
}
