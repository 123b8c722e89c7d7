//! Rotary positions.

#![allow(deprecated)] // Burn 0.22 announces the removal of its ndarray backend.

use burn::backend::autodiff::{
    Autodiff,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::{Backend, Dispatch, backend_extension, tensor::FloatTensor};
use burn::tensor::Tensor;
use kernels::Chains;

use super::built_for;
use super::precision::in_type;

/// Rotates the pairs `(x[i], x[i + half])` of the last dimension by angles that do not train.
///
/// # Shapes
/// - `x` and output: `[batch, heads, tokens, 2 half]`
/// - `cos`, `sin`: `[batch or 1, 1, tokens, half]`
pub(crate) fn rotate(x: Tensor<4>, cos: &Tensor<4>, sin: &Tensor<4>) -> Tensor<4> {
    if built_for(&x.device()) {
        return Tensor::from_dispatch(Dispatch::rotation_of(
            x.into_dispatch(),
            cos.clone().into_dispatch(),
            sin.clone().into_dispatch(),
        ));
    }
    let dtype = x.dtype();
    let x = in_type(x, cos.dtype());
    let half = x.dims()[3] / 2;
    let first = x.clone().narrow(3, 0, half);
    let second = x.narrow(3, half, half);
    let (cos, sin) = (cos.clone(), sin.clone());
    let rotated_first = first.clone() * cos.clone() - second.clone() * sin.clone();
    let rotated_second = second * cos + first * sin;
    in_type(Tensor::cat(vec![rotated_first, rotated_second], 3), dtype)
}

/// A rotation, differentiable by what it rotates.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(any(feature = "wgpu", feature = "cuda")),
    Autodiff,
)]
pub trait RotationOps: Chains {
    /// # Shapes
    /// - as for [`rotate`]
    fn rotation_of(
        x: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        Self::rotated(x, cos, sin, false)
    }
}

#[cfg(feature = "flex")]
impl RotationOps for burn::backend::Flex {}
#[cfg(feature = "ndarray")]
impl RotationOps for burn::backend::NdArray {}
#[cfg(any(feature = "wgpu", feature = "cuda"))]
impl RotationOps for burn::backend::Cube {}

impl<B: RotationOps, C: CheckpointStrategy> RotationOps for Autodiff<B, C> {
    fn rotation_of(
        x: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        let (cos, sin) = (cos.into_primitive(), sin.into_primitive());
        let rotated = B::rotated(x, cos.clone(), sin.clone(), false);
        match RotateBack.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::UnTracked(prepared) => prepared.finish(rotated),
            OpsKind::Tracked(prepared) => prepared.finish((cos, sin), rotated),
        }
    }
}

#[derive(Debug)]
struct RotateBack;

impl<B: Backend + Chains> Backward<B, 1> for RotateBack {
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (cos, sin) = ops.state;
        let [node] = ops.parents;
        let g = grads.consume::<B>(&ops.node);
        if let Some(node) = node {
            grads.register::<B>(node.id, B::rotated(g, cos, sin, true));
        }
    }
}
