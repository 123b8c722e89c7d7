//! A norm of which nothing is kept but its input: not for the layers behind it what comes out.

#![allow(deprecated)] // Burn 0.22 announces the removal of its ndarray backend.

use burn::backend::autodiff::{
    Autodiff, NodeId,
    checkpoint::{
        base::Checkpointer,
        retro_forward::RetroForward,
        state::BackwardStates,
        strategy::{BalancedCheckpointing, CheckpointStrategy},
    },
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension, tensor::FloatTensor};
use burn::nn::RmsNorm;
use burn::tensor::Tensor;

use super::built_for;

/// `γ x / √(mean(x²) + ε)`; by Burn's own operations where `γ` trains.
///
/// # Shapes
/// - `x` and output: `[batch, tokens, width]`
pub(crate) fn rms_norm(norm: &RmsNorm, x: Tensor<3>) -> Tensor<3> {
    let gamma = norm.gamma.val();
    if !x.is_autodiff() || gamma.is_tracked() || !built_for(&x.device().inner()) {
        return norm.forward(x);
    }
    Tensor::from_dispatch(Dispatch::rms_norm_of(
        x.into_dispatch(),
        gamma.into_dispatch(),
        norm.epsilon,
    ))
}

/// `γ x / √(mean(x²) + ε)` over the last dimension, differentiable by `x`.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(any(feature = "wgpu", feature = "cuda")),
    Autodiff,
)]
pub trait NormOps: Backend {
    /// # Shapes
    /// - `x` and output: `[.., width]`
    /// - `gamma`: `[width]`
    fn rms_norm_of(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        let norm = Norm::<Self> { gamma, epsilon };
        let size = norm.size(x.clone());
        norm.scaled(Self::float_div(x, size))
    }
}

#[cfg(feature = "flex")]
impl NormOps for burn::backend::Flex {}
#[cfg(feature = "ndarray")]
impl NormOps for burn::backend::NdArray {}
#[cfg(any(feature = "wgpu", feature = "cuda"))]
impl NormOps for burn::backend::Cube {}

impl<B: Backend + NormOps, C: CheckpointStrategy> NormOps for Autodiff<B, C> {
    fn rms_norm_of(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        let norm = Norm::<B> {
            gamma: gamma.into_primitive(),
            epsilon,
        };
        let again = Again {
            x: x.id(),
            norm: norm.clone(),
        };
        // Whatever the strategy of the rest is: this is computed again by whoever needs it.
        let prepared = RmsNormed
            .prepare::<BalancedCheckpointing>([x.node()])
            .memory_bound()
            .retro_forward(again)
            .parents([&x]);
        match prepared.stateful() {
            OpsKind::UnTracked(prepared) => prepared.finish(norm.forward(x.into_primitive())),
            OpsKind::Tracked(mut prepared) => {
                let state = (prepared.checkpoint(&x), norm.clone());
                prepared.finish(state, norm.forward(x.into_primitive()))
            }
        }
    }
}

/// What is not differentiated.
#[derive(Clone, Debug)]
struct Norm<B: Backend> {
    gamma: FloatTensor<B>,
    epsilon: f64,
}

impl<B: Backend> Norm<B> {
    /// `√(mean(x²) + ε)`: `[.., 1]`
    fn size(&self, x: FloatTensor<B>) -> FloatTensor<B> {
        let last = x.shape().num_dims() - 1;
        let mean = B::float_mean_dim(B::float_mul(x.clone(), x), last);
        B::float_sqrt(B::float_add_scalar(mean, self.epsilon.into()))
    }

    /// `γ x`
    fn scaled(&self, x: FloatTensor<B>) -> FloatTensor<B> {
        let mut shape = vec![1; x.shape().num_dims()];
        if let (Some(last), [width]) = (shape.last_mut(), self.gamma.shape().as_slice()) {
            *last = *width;
        }
        B::float_mul(x, B::float_reshape(self.gamma.clone(), shape.into()))
    }
}

impl<B: Backend + NormOps> Norm<B> {
    fn forward(&self, x: FloatTensor<B>) -> FloatTensor<B> {
        B::rms_norm_of(x, self.gamma.clone(), self.epsilon)
    }
}

/// The way there once more.
#[derive(Debug)]
struct Again<B: Backend> {
    x: NodeId,
    norm: Norm<B>,
}

impl<B: Backend + NormOps> RetroForward for Again<B> {
    fn forward(&self, states: &mut BackwardStates, out: NodeId) {
        let x = states.get_state::<FloatTensor<B>>(&self.x);
        states.save(out, self.norm.forward(x));
    }
}

#[derive(Debug)]
struct RmsNormed;

impl<B: Backend> Backward<B, 1> for RmsNormed {
    type State = (NodeId, Norm<B>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, kept: &mut Checkpointer) {
        let (x, norm) = ops.state;
        let x = kept.retrieve_node_output::<FloatTensor<B>>(x);
        let [of_x] = ops.parents;
        let g = grads.consume::<B>(&ops.node);
        let Some(node) = of_x else {
            return;
        };
        // With s = √(mean(x²) + ε) and u = γ g: (u - n mean(u n)) / s, n = x / s.
        let last = x.shape().num_dims() - 1;
        let size = norm.size(x.clone());
        let normed = B::float_div(x, size.clone());
        let u = norm.scaled(g);
        let along = B::float_mean_dim(B::float_mul(u.clone(), normed.clone()), last);
        let across = B::float_sub(u, B::float_mul(normed, along));
        grads.register::<B>(node.id, B::float_div(across, size));
    }
}
