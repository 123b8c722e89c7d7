//! The gate of a feed-forward network, recomputed in the backward pass.

#![allow(deprecated)] // Burn 0.22 announces the removal of its ndarray backend.

use burn::backend::autodiff::{Autodiff, checkpoint::strategy::CheckpointStrategy};
use burn::backend::{Backend, Dispatch, backend_extension, tensor::FloatTensor};
use burn::tensor::{Tensor, activation::silu};

use super::built_for;
use super::recompute::{CheapOperation, recomputed};

/// `silu(gate) · up`
///
/// # Shapes
/// - all: `[batch, tokens, width]`
pub(crate) fn silu_gate(gate: Tensor<3>, up: Tensor<3>) -> Tensor<3> {
    if gate.is_autodiff() && built_for(&gate.device().inner()) {
        let gated = Dispatch::silu_gate_of(gate.into_dispatch(), up.into_dispatch());
        return Tensor::from_dispatch(gated);
    }
    silu(gate) * up
}

/// `silu(gate) · up`, differentiable by both.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(any(feature = "wgpu", feature = "cuda")),
    Autodiff,
)]
pub trait GateOps: Backend {
    /// `silu(gate) · up`.
    ///
    /// # Shapes
    /// - all: the same shape
    fn silu_gate_of(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
        let sigmoid = Self::sigmoid(gate.clone());
        Self::float_mul(Self::float_mul(gate, sigmoid), up)
    }
}

#[cfg(feature = "flex")]
impl GateOps for burn::backend::Flex {}
#[cfg(feature = "ndarray")]
impl GateOps for burn::backend::NdArray {}
#[cfg(any(feature = "wgpu", feature = "cuda"))]
impl GateOps for burn::backend::Cube {}

impl<B: Backend + GateOps, C: CheckpointStrategy> GateOps for Autodiff<B, C> {
    fn silu_gate_of(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
        recomputed(SiluGate, [gate, up])
    }
}

#[derive(Clone, Debug)]
struct SiluGate;

impl<B: Backend + GateOps> CheapOperation<B, 2> for SiluGate {
    fn forward(&self, [gate, up]: [FloatTensor<B>; 2]) -> FloatTensor<B> {
        B::silu_gate_of(gate, up)
    }

    fn backward(
        &self,
        [gate, up]: [FloatTensor<B>; 2],
        g: FloatTensor<B>,
        [wants_gate, wants_up]: [bool; 2],
    ) -> [Option<FloatTensor<B>>; 2] {
        let sigmoid = B::sigmoid(gate.clone());
        let silu = B::float_mul(gate, sigmoid.clone());
        let up_gradient = wants_up.then(|| B::float_mul(silu.clone(), g.clone()));
        let gate_gradient = wants_gate.then(|| {
            // silu' = σ + silu (1 - σ) = σ + silu - silu σ
            let falling = B::float_mul(silu.clone(), sigmoid.clone());
            let slope = B::float_sub(B::float_add(sigmoid, silu), falling);
            B::float_mul(B::float_mul(slope, up), g)
        });
        [gate_gradient, up_gradient]
    }
}
