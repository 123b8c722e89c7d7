//! The product of hidden states with a weight.

#![allow(deprecated)] // Burn 0.22 announces the removal of its ndarray backend.

use burn::backend::autodiff::{
    Autodiff, NodeId,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension, tensor::FloatTensor};
use burn::tensor::{DType, Tensor};
use kernels::{Chains, as_rows, in_type as cast, unflattened};

use super::built_for;
use super::precision::in_type;

/// `x W` with factors and result in a type; sums of gradients keep the types of `x` and `weight`.
///
/// # Shapes
/// - `x`: `[.., d_in]`
/// - `weight`: `[d_in, d_out]`
/// - output: `[.., d_out]`
pub(crate) fn linear<const D: usize>(x: Tensor<D>, weight: Tensor<2>, dtype: DType) -> Tensor<D> {
    if !built_for(&x.device()) {
        return in_type(x, dtype).matmul(in_type(weight, dtype).unsqueeze());
    }
    let product = Dispatch::linear_of(x.into_dispatch(), weight.into_dispatch(), dtype);
    Tensor::from_dispatch(product)
}

/// `x W`, differentiable by both.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(any(feature = "wgpu", feature = "cuda")),
    Autodiff,
)]
pub trait LinearOps: Chains {
    /// # Shapes
    /// - as for [`linear`]
    fn linear_of(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        dtype: DType,
    ) -> FloatTensor<Self> {
        let shape = x.shape();
        let [x, weight] = [as_rows::<Self>(x), weight].map(|x| cast::<Self>(x, dtype));
        unflattened::<Self>(Self::product(x, weight), shape)
    }
}

#[cfg(feature = "flex")]
impl LinearOps for burn::backend::Flex {}
#[cfg(feature = "ndarray")]
impl LinearOps for burn::backend::NdArray {}
#[cfg(any(feature = "wgpu", feature = "cuda"))]
impl LinearOps for burn::backend::Cube {}

impl<B: LinearOps, C: CheckpointStrategy> LinearOps for Autodiff<B, C> {
    fn linear_of(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        dtype: DType,
    ) -> FloatTensor<Self> {
        // What one gradient needs is the other factor. Neither is kept in another type: the output of a norm that does not
        // train is computed again and takes no memory, and a weight is there anyway.
        let (x_tracked, weight_tracked) = (x.is_tracked(), weight.is_tracked());
        let prepared = Linear.prepare::<C>([x.node(), weight.node()]);
        match prepared.compute_bound().stateful() {
            OpsKind::UnTracked(prepared) => prepared.finish(B::linear_of(
                x.into_primitive(),
                weight.into_primitive(),
                dtype,
            )),
            OpsKind::Tracked(mut prepared) => {
                let kept = Kept {
                    x: weight_tracked.then(|| prepared.checkpoint(&x)),
                    weight: x_tracked.then(|| weight.primitive().clone()),
                    types: [x.primitive().dtype(), weight.primitive().dtype()],
                };
                let y = B::linear_of(x.into_primitive(), weight.into_primitive(), dtype);
                prepared.finish(kept, y)
            }
        }
    }
}

/// What the backward pass needs.
#[derive(Clone, Debug)]
struct Kept<B: Backend> {
    x: Option<NodeId>,
    weight: Option<FloatTensor<B>>,
    /// The types of both.
    types: [DType; 2],
}

#[derive(Debug)]
struct Linear;

impl<B: Chains> Backward<B, 2> for Linear {
    type State = Kept<B>;

    fn backward(self, ops: Ops<Kept<B>, 2>, grads: &mut Gradients, nodes: &mut Checkpointer) {
        let [x_node, weight_node] = ops.parents;
        let [x_type, weight_type] = ops.state.types;
        let g = grads.consume::<B>(&ops.node);
        let shape = g.shape();
        let g = as_rows::<B>(g);
        if let (Some(node), Some(x)) = (weight_node, ops.state.x) {
            let x = cast::<B>(as_rows::<B>(nodes.retrieve_node_output(x)), g.dtype());
            let gradient = B::product(B::float_transpose(x), g.clone());
            grads.register::<B>(node.id, cast::<B>(gradient, weight_type));
        }
        if let (Some(node), Some(weight)) = (x_node, ops.state.weight) {
            let weight = cast::<B>(weight, g.dtype());
            let x = B::product(g, B::float_transpose(weight));
            grads.register::<B>(node.id, unflattened::<B>(cast::<B>(x, x_type), shape));
        }
    }
}
