//! The gate of a feed-forward network, recomputed in the backward pass.

#![allow(deprecated)] // Burn 0.22 announces the removal of its ndarray backend.

use burn::backend::autodiff::{Autodiff, checkpoint::strategy::CheckpointStrategy};
use burn::backend::{Dispatch, backend_extension, tensor::FloatTensor};
use burn::tensor::{Tensor, activation::silu};
use kernels::Chains;

use super::built_for;
use super::precision::{in_type, widened};
use super::recompute::{CheapOperation, recomputed};

/// `silu(gate) · up`
///
/// # Shapes
/// - all: `[batch, tokens, width]`
pub(crate) fn silu_gate(gate: Tensor<3>, up: Tensor<3>) -> Tensor<3> {
    if built_for(&gate.device()) {
        let gated = Dispatch::silu_gate_of(gate.into_dispatch(), up.into_dispatch());
        return Tensor::from_dispatch(gated);
    }
    let dtype = gate.dtype();
    in_type(silu(widened(gate)) * widened(up), dtype)
}

/// `silu(gate) · up`, differentiable by both.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(any(feature = "wgpu", feature = "cuda")),
    Autodiff,
)]
pub trait GateOps: Chains {
    /// `silu(gate) · up`.
    ///
    /// # Shapes
    /// - all: the same shape
    fn silu_gate_of(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::gated(gate, up)
    }
}

#[cfg(feature = "flex")]
impl GateOps for burn::backend::Flex {}
#[cfg(feature = "ndarray")]
impl GateOps for burn::backend::NdArray {}
#[cfg(any(feature = "wgpu", feature = "cuda"))]
impl GateOps for burn::backend::Cube {}

impl<B: GateOps, C: CheckpointStrategy> GateOps for Autodiff<B, C> {
    fn silu_gate_of(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
        recomputed(SiluGate, [gate, up])
    }
}

#[derive(Clone, Debug)]
struct SiluGate;

impl<B: GateOps> CheapOperation<B, 2> for SiluGate {
    fn forward(&self, [gate, up]: [FloatTensor<B>; 2]) -> FloatTensor<B> {
        B::silu_gate_of(gate, up)
    }

    fn backward(
        &self,
        [gate, up]: [FloatTensor<B>; 2],
        g: FloatTensor<B>,
        [wants_gate, wants_up]: [bool; 2],
    ) -> [Option<FloatTensor<B>>; 2] {
        let [of_gate, of_up] = B::gate_gradients(gate, up, g);
        [wants_gate.then_some(of_gate), wants_up.then_some(of_up)]
    }
}
