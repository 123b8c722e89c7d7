//! Both sides of a split together: the set of changes a weight is allowed.

use burn::tensor::{DType, Tensor};

use crate::config::Removed;
use crate::split::Side;

/// The changes that a weight of shape `[d_in, d_out]` is allowed.
///
/// `P` is the protected basis of the inputs, `Q` that of the outputs, `N` their complements. An
/// optimizer runs in *coordinates* of the change: the core matrix `C` of `N_P C N_Qᵀ` where
/// [`Removed::EitherSide`] is taken away, the dense change where [`Removed::Block`] is.
#[derive(Clone, Debug)]
pub struct Constraint {
    /// Directions of the inputs, of dimension `d_in`.
    pub input: Side,
    /// Directions of the outputs, of dimension `d_out`.
    pub output: Side,
    /// Which part of a change is taken away.
    pub removed: Removed,
}

impl Constraint {
    /// Whether nothing is protected, so that the weight is an ordinary parameter.
    pub fn is_open(&self) -> bool {
        matches!((&self.input, &self.output), (Side::Open, Side::Open))
    }

    /// Whether nothing can move. All directions of one side are enough, also for
    /// [`Removed::Block`], whose equation would leave a longer side some freedom.
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

    /// Type of the bases, if there is one.
    pub(crate) fn dtype(&self) -> Option<DType> {
        let basis = self.input.basis().or(self.output.basis());
        basis.map(Tensor::dtype)
    }

    /// The same constraint for tensors that are differentiated, or not, as `tensor` is, on its device.
    /// The bases are shared.
    pub(crate) fn beside<const D: usize>(&self, tensor: &Tensor<D>) -> Self {
        Self {
            input: self.input.beside(tensor),
            output: self.output.beside(tensor),
            removed: self.removed,
        }
    }

    /// As [`beside`](Self::beside), in the type of `tensor` too.
    pub(crate) fn fitted(&self, tensor: &Tensor<2>) -> Self {
        let fitted = |side: &Side| side.beside(tensor).in_type(tensor.dtype());
        Self {
            input: fitted(&self.input),
            output: fitted(&self.output),
            removed: self.removed,
        }
    }

    /// The same bases, copied.
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

    /// The dense change that coordinates stand for: `N_P C N_Qᵀ`, or the coordinates themselves.
    ///
    /// A side that keeps no free basis takes its coordinates as they are: [`constrain`](Self::constrain) them
    /// first where they may have left what is free.
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

    /// Coordinates with everything removed that is not allowed.
    ///
    /// The identity where both sides are kept as free bases. Elsewhere the coordinates are the
    /// weight's own, and an elementwise optimizer such as AdamW moves them back into what is
    /// protected at every step.
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
        // Where a side protects nothing its projector is the identity, not zero: the block is
        // then all that touches the other side.
        let part = |side: &Side, x: Tensor<2>| side.protected_part(x.clone()).unwrap_or(x);
        let block = part(&self.input, x.clone());
        let block = transposed(block, |block| part(&self.output, block));
        x - block
    }

    /// Numbers that can change independently in a weight of shape `[d_in, d_out]`, of whose
    /// directions `k_in` and `k_out` are protected.
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
