//! A gate of which nothing is kept but its two inputs: neither the values inside, nor for the layer
//! behind it what comes out.

#![allow(deprecated)] // Burn 0.22 announces the removal of its ndarray backend.

use std::marker::PhantomData;

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
use burn::backend::{Backend, Dispatch, backend_extension, tensor::FloatTensor};
use burn::tensor::{Tensor, activation::silu};

use super::built_for;

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
    /// Both of one shape.
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
        let again = Again::<B> {
            gate: gate.id(),
            up: up.id(),
            backend: PhantomData,
        };
        // Whatever the strategy of the rest is: this is computed again by whoever needs it.
        let prepared = SiluGate
            .prepare::<BalancedCheckpointing>([gate.node(), up.node()])
            .memory_bound()
            .retro_forward(again)
            .parents([&gate, &up]);
        match prepared.stateful() {
            OpsKind::UnTracked(prepared) => {
                prepared.finish(B::silu_gate_of(gate.into_primitive(), up.into_primitive()))
            }
            OpsKind::Tracked(mut prepared) => {
                let state = [prepared.checkpoint(&gate), prepared.checkpoint(&up)];
                let gated = B::silu_gate_of(gate.into_primitive(), up.into_primitive());
                prepared.finish(state, gated)
            }
        }
    }
}

/// The way there once more.
#[derive(Debug)]
struct Again<B> {
    gate: NodeId,
    up: NodeId,
    backend: PhantomData<B>,
}

impl<B: Backend + GateOps> RetroForward for Again<B> {
    fn forward(&self, states: &mut BackwardStates, out: NodeId) {
        let gate = states.get_state::<FloatTensor<B>>(&self.gate);
        let up = states.get_state::<FloatTensor<B>>(&self.up);
        states.save(out, B::silu_gate_of(gate, up));
    }
}

#[derive(Debug)]
struct SiluGate;

impl<B: Backend> Backward<B, 2> for SiluGate {
    /// Both inputs.
    type State = [NodeId; 2];

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, kept: &mut Checkpointer) {
        let [gate, up] = ops.state;
        let gate = kept.retrieve_node_output::<FloatTensor<B>>(gate);
        let up = kept.retrieve_node_output::<FloatTensor<B>>(up);
        let [of_gate, of_up] = ops.parents;
        let g = grads.consume::<B>(&ops.node);
        let sigmoid = B::sigmoid(gate.clone());
        let silu = B::float_mul(gate, sigmoid.clone());
        if let Some(node) = of_up {
            grads.register::<B>(node.id, B::float_mul(silu.clone(), g.clone()));
        }
        if let Some(node) = of_gate {
            // silu' = σ + silu (1 - σ) = σ + silu - silu σ
            let falling = B::float_mul(silu.clone(), sigmoid.clone());
            let slope = B::float_sub(B::float_add(sigmoid, silu), falling);
            grads.register::<B>(node.id, B::float_mul(B::float_mul(slope, up), g));
        }
    }
}
