//! The operation, on every backend that this crate is built for, and its backward pass.

#![allow(deprecated)] // Burn 0.22 announces the removal of its ndarray backend.

use burn::backend::autodiff::{
    Autodiff,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind, binary},
};
use burn::backend::{Backend, backend_extension, tensor::FloatTensor};

use crate::Side;

/// What a side does to a gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Nothing.
    None,
    /// Its basis is that of the free directions, and gives the coordinates.
    ToFree,
    /// Its basis is that of the protected directions, whose part is removed.
    WithoutProtected,
}

impl Reduction {
    pub(super) fn of(side: &Side) -> Self {
        match side {
            Side::Free(_) => Self::ToFree,
            Side::Protected(_) => Self::WithoutProtected,
            Side::Open | Side::Closed => Self::None,
        }
    }
}

/// How the derivative is formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What the inputs' side does.
    pub input: Reduction,
    /// What the outputs' side does.
    pub output: Reduction,
    /// Whether inputs and outputs are brought to coordinates before they are multiplied, not after.
    pub narrow: bool,
}

/// `x (W₀ + N_P C N_Qᵀ)`, differentiable by `x` and `C`.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(any(feature = "wgpu", feature = "cuda")),
    Autodiff,
)]
pub trait CoreLinearOps: Backend {
    /// # Shapes
    /// - `x`: `[tokens, d_in]`
    /// - `core`: coordinates of both sides
    /// - `base`: `[d_in, d_out]`
    /// - `input_basis`: `[d_in, _]`, unless its side does nothing
    /// - `output_basis`: `[d_out, _]`, unless its side does nothing
    /// - output: `[tokens, d_out]`
    fn core_linear(
        x: FloatTensor<Self>,
        core: FloatTensor<Self>,
        base: FloatTensor<Self>,
        input_basis: FloatTensor<Self>,
        output_basis: FloatTensor<Self>,
        plan: Plan,
    ) -> FloatTensor<Self> {
        let (input, output) = Basis::pair(input_basis, output_basis, plan);
        Self::float_matmul(x, weight::<Self>(base, core, &input, &output))
    }
}

#[cfg(feature = "flex")]
impl CoreLinearOps for burn::backend::Flex {}
#[cfg(feature = "ndarray")]
impl CoreLinearOps for burn::backend::NdArray {}
#[cfg(any(feature = "wgpu", feature = "cuda"))]
impl CoreLinearOps for burn::backend::Cube {}

impl<B: Backend + CoreLinearOps, C: CheckpointStrategy> CoreLinearOps for Autodiff<B, C> {
    fn core_linear(
        x: FloatTensor<Self>,
        core: FloatTensor<Self>,
        base: FloatTensor<Self>,
        input_basis: FloatTensor<Self>,
        output_basis: FloatTensor<Self>,
        plan: Plan,
    ) -> FloatTensor<Self> {
        let (x, x_node) = x.into_parts();
        let (core, core_node) = core.into_parts();
        let base = base.into_primitive();
        let (input_basis, output_basis) =
            (input_basis.into_primitive(), output_basis.into_primitive());
        let (input, output) = Basis::<B>::pair(input_basis, output_basis, plan);
        let formed = weight::<B>(base.clone(), core.clone(), &input, &output);
        let y = B::float_matmul(x.clone(), formed);
        let prepared = CoreLinear.prepare::<C>([x_node, core_node]);
        match prepared.compute_bound().stateful() {
            OpsKind::UnTracked(prepared) => prepared.finish(y),
            OpsKind::Tracked(prepared) => {
                let x = match plan.narrow {
                    true => input.on_rows(x),
                    false => x,
                };
                let state = Saved {
                    x,
                    core,
                    base,
                    input,
                    output,
                    narrow: plan.narrow,
                };
                prepared.finish(state, y)
            }
        }
    }
}

/// `W₀ + N_P C N_Qᵀ`.
fn weight<B: Backend>(
    base: FloatTensor<B>,
    core: FloatTensor<B>,
    input: &Basis<B>,
    output: &Basis<B>,
) -> FloatTensor<B> {
    B::float_add(base, output.lifted_rows(input.lifted_columns(core)))
}

/// The basis of a side, with what the side does.
#[derive(Clone, Debug)]
struct Basis<B: Backend> {
    basis: FloatTensor<B>,
    reduction: Reduction,
}

impl<B: Backend> Basis<B> {
    fn pair(input: FloatTensor<B>, output: FloatTensor<B>, plan: Plan) -> (Self, Self) {
        let input = Self {
            basis: input,
            reduction: plan.input,
        };
        let output = Self {
            basis: output,
            reduction: plan.output,
        };
        (input, output)
    }

    fn transposed(&self) -> FloatTensor<B> {
        B::float_transpose(self.basis.clone())
    }

    /// `x N`: rows in coordinates of the free directions, where there are fewer.
    fn on_rows(&self, rows: FloatTensor<B>) -> FloatTensor<B> {
        match self.reduction {
            Reduction::ToFree => B::float_matmul(rows, self.basis.clone()),
            Reduction::None | Reduction::WithoutProtected => rows,
        }
    }

    /// `Nᵀ x`.
    fn on_columns(&self, columns: FloatTensor<B>) -> FloatTensor<B> {
        match self.reduction {
            Reduction::ToFree => B::float_matmul(self.transposed(), columns),
            Reduction::None | Reduction::WithoutProtected => columns,
        }
    }

    /// `c Nᵀ`: back from coordinates.
    fn lifted_rows(&self, rows: FloatTensor<B>) -> FloatTensor<B> {
        match self.reduction {
            Reduction::ToFree => B::float_matmul(rows, self.transposed()),
            Reduction::None | Reduction::WithoutProtected => rows,
        }
    }

    /// `N c`.
    fn lifted_columns(&self, columns: FloatTensor<B>) -> FloatTensor<B> {
        match self.reduction {
            Reduction::ToFree => B::float_matmul(self.basis.clone(), columns),
            Reduction::None | Reduction::WithoutProtected => columns,
        }
    }

    /// Takes the protected part of the rows away, where that is what is left to do.
    fn without_protected(&self, rows: FloatTensor<B>) -> FloatTensor<B> {
        match self.reduction {
            Reduction::WithoutProtected => {
                let part = B::float_matmul(rows.clone(), self.basis.clone());
                B::float_sub(rows, B::float_matmul(part, self.transposed()))
            }
            Reduction::None | Reduction::ToFree => rows,
        }
    }
}

/// What the backward pass needs.
#[derive(Clone, Debug)]
struct Saved<B: Backend> {
    /// The input; in coordinates of the free directions where the gradient is formed in them.
    x: FloatTensor<B>,
    core: FloatTensor<B>,
    base: FloatTensor<B>,
    input: Basis<B>,
    output: Basis<B>,
    narrow: bool,
}

#[derive(Debug)]
struct CoreLinear;

impl<B: Backend> Backward<B, 2> for CoreLinear {
    type State = Saved<B>;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let Saved {
            x,
            core,
            base,
            input,
            output,
            narrow,
        } = ops.state;
        let of_core = |grad| {
            let x = B::float_transpose(x);
            let core = match narrow {
                true => B::float_matmul(x, output.on_rows(grad)),
                false => output.on_rows(input.on_columns(B::float_matmul(x, grad))),
            };
            let core = output.without_protected(core);
            let transposed = input.without_protected(B::float_transpose(core));
            B::float_transpose(transposed)
        };
        let of_input = |grad| {
            let formed = weight::<B>(base, core, &input, &output);
            B::float_matmul(grad, B::float_transpose(formed))
        };
        binary::<B, _, _>(ops.parents, ops.node, grads, of_input, of_core);
    }
}
