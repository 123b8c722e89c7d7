//! The constraint of a weight: the changes that both sides of a split allow.

use burn::tensor::{DType, Tensor};

use crate::config::Removed;
use crate::split::Side;

/// The changes that a weight of shape `[d_in, d_out]` may have.
///
/// `P` and `Q` are the protected bases of inputs and outputs, `N_P` and `N_Q` bases of their complements. An
/// optimizer works in *coordinates* of the change: with [`Removed::EitherSide`] in the core `C` of
/// `N_P C N_Qᵀ`, with [`Removed::Block`] in the dense change.
#[derive(Clone, Debug)]
pub struct Constraint {
    /// Directions of the inputs, of dimension `d_in`.
    pub input: Side,
    /// Directions of the outputs, of dimension `d_out`.
    pub output: Side,
    /// The part of a change that is removed.
    pub removed: Removed,
}

impl Constraint {
    /// Whether nothing is protected, so that the weight is an ordinary parameter.
    pub fn is_open(&self) -> bool {
        matches!((&self.input, &self.output), (Side::Open, Side::Open))
    }

    /// Whether nothing can move. One completely protected side is enough, also for [`Removed::Block`], whose
    /// equation would leave a longer side some freedom.
    pub fn is_closed(&self) -> bool {
        matches!(self.input, Side::Closed) || matches!(self.output, Side::Closed)
    }

    /// Shape of the coordinates of a weight of shape `[d_in, d_out]`.
    pub fn core_shape(&self, [d_in, d_out]: [usize; 2]) -> [usize; 2] {
        match self.removed {
            Removed::EitherSide => [self.input.coordinates(d_in), self.output.coordinates(d_out)],
            Removed::Block => [d_in, d_out],
        }
    }

    /// The basis whose columns are the coordinates of the input side; `None` if these are the inputs themselves.
    pub(crate) fn input_coordinates(&self) -> Option<&Tensor<2>> {
        match self.removed {
            Removed::EitherSide => self.input.reducing_basis(),
            Removed::Block => None,
        }
    }

    /// The protected basis of an input side that stores no free one, where a change must not have a part in it.
    pub(crate) fn protected_inputs(&self) -> Option<&Tensor<2>> {
        match (self.removed, &self.input) {
            (Removed::EitherSide, Side::Protected(basis)) => Some(basis),
            _ => None,
        }
    }

    /// Type of the bases; `None` if no side stores one.
    pub(crate) fn dtype(&self) -> Option<DType> {
        let basis = self.input.basis().or(self.output.basis());
        basis.map(Tensor::dtype)
    }

    /// The same constraint, on the device and with the autodiff state of `tensor`. The bases are shared if
    /// the device is the same.
    pub(crate) fn beside<const D: usize>(&self, tensor: &Tensor<D>) -> Self {
        Self {
            input: self.input.beside(tensor),
            output: self.output.beside(tensor),
            removed: self.removed,
        }
    }

    /// As [`beside`](Self::beside), and also in the type of `tensor`.
    pub(crate) fn fitted(&self, tensor: &Tensor<2>) -> Self {
        let fitted = |side: &Side| side.beside(tensor).in_type(tensor.dtype());
        Self {
            input: fitted(&self.input),
            output: fitted(&self.output),
            removed: self.removed,
        }
    }

    /// The same constraint with copied bases.
    pub(crate) fn copied(&self) -> Self {
        Self {
            input: self.input.copied(),
            output: self.output.copied(),
            removed: self.removed,
        }
    }

    /// Coordinates of a dense gradient: `N_Pᵀ G N_Q`, or `G` without the protected block.
    ///
    /// # Shapes
    /// - `gradient`: `[d_in, d_out]`
    /// - output: [`core_shape`](Self::core_shape)
    pub fn lower(&self, gradient: Tensor<2>) -> Tensor<2> {
        match self.removed {
            Removed::EitherSide => transposed(self.input.lower(gradient), |x| self.output.lower(x)),
            Removed::Block => self.without_block(gradient),
        }
    }

    /// The dense change with these coordinates: `N_P C N_Qᵀ`, or the coordinates themselves.
    ///
    /// A side that stores no free basis does not project: call [`constrain`](Self::constrain) first if the
    /// coordinates may have a protected part.
    ///
    /// # Shapes
    /// - `core`: [`core_shape`](Self::core_shape)
    /// - output: `[d_in, d_out]`
    pub fn lift(&self, core: Tensor<2>) -> Tensor<2> {
        match self.removed {
            Removed::EitherSide => transposed(self.input.lift(core), |x| self.output.lift(x)),
            Removed::Block => core,
        }
    }

    /// Removes everything from coordinates that the constraint does not allow.
    ///
    /// This is the identity if both sides store free bases. Otherwise the coordinates are those of the
    /// weight, and an elementwise optimizer such as AdamW moves them into protected directions at every step.
    ///
    /// # Shapes
    /// - `core` and output: [`core_shape`](Self::core_shape)
    pub fn constrain(&self, core: Tensor<2>) -> Tensor<2> {
        match self.removed {
            Removed::EitherSide => {
                transposed(self.input.constrain(core), |x| self.output.constrain(x))
            }
            Removed::Block => self.without_block(core),
        }
    }

    /// `X - P_h P_hᵀ X Q_h Q_hᵀ`
    fn without_block(&self, x: Tensor<2>) -> Tensor<2> {
        if self.is_open() {
            return x;
        }
        if self.is_closed() {
            return x.zeros_like();
        }
        // The projector of a side that protects nothing is the identity, not zero: the block is then
        // everything that the other side protects.
        let part = |side: &Side, x: Tensor<2>| side.protected_part(x.clone()).unwrap_or(x);
        let block = part(&self.input, x.clone());
        let block = transposed(block, |block| part(&self.output, block));
        x - block
    }

    /// Degrees of freedom of a weight of shape `[d_in, d_out]` with `k_in` and `k_out` protected directions.
    pub(crate) fn degrees_of_freedom(
        removed: Removed,
        [d_in, d_out]: [usize; 2],
        [k_in, k_out]: [usize; 2],
    ) -> usize {
        let free = (d_in - k_in) * (d_out - k_out);
        match (removed, k_in, k_out) {
            (Removed::EitherSide, ..) | (_, 0, _) | (_, _, 0) => free,
            (Removed::Block, ..) if k_in == d_in || k_out == d_out => 0,
            (Removed::Block, ..) => d_in * d_out - k_in * k_out,
        }
    }
}

/// Applies a map over rows to the columns of `x`.
pub(crate) fn transposed(x: Tensor<2>, map: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Tensor<2> {
    map(x.transpose()).transpose()
}
