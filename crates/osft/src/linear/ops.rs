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

/// `x W`; only its derivative differs from that of a matrix product.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(any(feature = "wgpu", feature = "cuda")),
    Autodiff,
)]
pub trait CoreLinearOps: Backend {
    /// # Shapes
    /// - `x`: `[tokens, d_in]`
    /// - `weight`: `[d_in, d_out]`
    /// - `input_basis`: `[d_in, _]`, unless its side does nothing
    /// - `output_basis`: `[d_out, _]`, unless its side does nothing
    /// - output: `[tokens, d_out]`
    #[allow(unused_variables)] // By the implementations without a derivative.
    fn core_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        input_basis: FloatTensor<Self>,
        output_basis: FloatTensor<Self>,
        input: Reduction,
        output: Reduction,
    ) -> FloatTensor<Self> {
        Self::float_matmul(x, weight)
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
        weight: FloatTensor<Self>,
        input_basis: FloatTensor<Self>,
        output_basis: FloatTensor<Self>,
        input: Reduction,
        output: Reduction,
    ) -> FloatTensor<Self> {
        let (x, x_node) = x.into_parts();
        let (weight, weight_node) = weight.into_parts();
        let y = B::float_matmul(x.clone(), weight.clone());
        let prepared = CoreLinear.prepare::<C>([x_node, weight_node]);
        match prepared.compute_bound().stateful() {
            OpsKind::UnTracked(prepared) => prepared.finish(y),
            OpsKind::Tracked(prepared) => {
                let input = Lowering {
                    basis: input_basis.into_primitive(),
                    reduction: input,
                };
                let output = Lowering {
                    basis: output_basis.into_primitive(),
                    reduction: output,
                };
                let state = Saved {
                    x: input.on_rows(x),
                    weight,
                    input,
                    output,
                };
                prepared.finish(state, y)
            }
        }
    }
}

/// What a side does to a gradient, with the basis that it takes.
#[derive(Clone, Debug)]
struct Lowering<B: Backend> {
    basis: FloatTensor<B>,
    reduction: Reduction,
}

impl<B: Backend> Lowering<B> {
    /// Rows in coordinates of the free directions, where there are fewer.
    fn on_rows(&self, rows: FloatTensor<B>) -> FloatTensor<B> {
        match self.reduction {
            Reduction::ToFree => B::float_matmul(rows, self.basis.clone()),
            Reduction::None | Reduction::WithoutProtected => rows,
        }
    }

    /// Takes the protected part of the rows away, where that is what is left to do.
    fn without_protected(&self, rows: FloatTensor<B>) -> FloatTensor<B> {
        match self.reduction {
            Reduction::WithoutProtected => {
                let part = B::float_matmul(rows.clone(), self.basis.clone());
                let transposed = B::float_transpose(self.basis.clone());
                B::float_sub(rows, B::float_matmul(part, transposed))
            }
            Reduction::None | Reduction::ToFree => rows,
        }
    }
}

/// What the backward pass needs.
#[derive(Clone, Debug)]
struct Saved<B: Backend> {
    /// The input, in coordinates of the free directions where there are fewer.
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    input: Lowering<B>,
    output: Lowering<B>,
}

#[derive(Debug)]
struct CoreLinear;

impl<B: Backend> Backward<B, 2> for CoreLinear {
    type State = Saved<B>;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let Saved {
            x,
            weight,
            input,
            output,
        } = ops.state;
        binary::<B, _, _>(
            ops.parents,
            ops.node,
            grads,
            |grad| B::float_matmul(grad, B::float_transpose(weight)),
            |grad| {
                let core = B::float_matmul(B::float_transpose(x), output.on_rows(grad));
                let core = output.without_protected(core);
                let transposed = input.without_protected(B::float_transpose(core));
                B::float_transpose(transposed)
            },
        );
    }
}
