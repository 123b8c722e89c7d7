//! Operations of which nothing is kept but their inputs: neither values inside, nor for the layers
//! behind them what comes out.

use std::fmt::Debug;
use std::marker::PhantomData;

use burn::backend::autodiff::{
    Autodiff, NodeId,
    checkpoint::{
        base::Checkpointer, retro_forward::RetroForward, state::BackwardStates,
        strategy::BalancedCheckpointing,
    },
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::{Backend, tensor::FloatTensor};

/// An operation that is cheap to compute again.
pub(super) trait Cheap<B: Backend, const N: usize>: Clone + Debug + Send + 'static {
    fn forward(&self, inputs: [FloatTensor<B>; N]) -> FloatTensor<B>;

    /// Gradients of the inputs that are differentiated by, from that of the result.
    fn backward(
        &self,
        inputs: [FloatTensor<B>; N],
        g: FloatTensor<B>,
        wanted: [bool; N],
    ) -> [Option<FloatTensor<B>>; N];
}

/// Applies an operation whose result is computed again where the backward pass needs it, whatever the
/// strategy of the rest is.
pub(super) fn computed_again<B, O, const N: usize>(
    operation: O,
    inputs: [FloatTensor<Autodiff<B>>; N],
) -> FloatTensor<Autodiff<B>>
where
    B: Backend,
    O: Cheap<B, N>,
{
    let again = Again::<B, O, N> {
        operation: operation.clone(),
        inputs: inputs.each_ref().map(|input| input.id()),
        backend: PhantomData,
    };
    let prepared = again
        .clone()
        .prepare::<BalancedCheckpointing>(inputs.each_ref().map(|input| input.node()))
        .memory_bound()
        .retro_forward(again)
        .parents(&inputs);
    match prepared.stateful() {
        OpsKind::UnTracked(prepared) => {
            prepared.finish(operation.forward(inputs.map(|input| input.into_primitive())))
        }
        OpsKind::Tracked(mut prepared) => {
            for input in &inputs {
                prepared.checkpoint(input);
            }
            let output = operation.forward(inputs.map(|input| input.into_primitive()));
            prepared.finish((), output)
        }
    }
}

/// The operation, and where its inputs are found.
#[derive(Clone, Debug)]
struct Again<B, O, const N: usize> {
    operation: O,
    inputs: [NodeId; N],
    backend: PhantomData<B>,
}

impl<B: Backend, O: Cheap<B, N>, const N: usize> RetroForward for Again<B, O, N> {
    fn forward(&self, states: &mut BackwardStates, out: NodeId) {
        let inputs = self
            .inputs
            .map(|id| states.get_state::<FloatTensor<B>>(&id));
        states.save(out, self.operation.forward(inputs));
    }
}

impl<B: Backend, O: Cheap<B, N>, const N: usize> Backward<B, N> for Again<B, O, N> {
    type State = ();

    fn backward(self, ops: Ops<(), N>, grads: &mut Gradients, kept: &mut Checkpointer) {
        let inputs = self.inputs.map(|id| kept.retrieve_node_output(id));
        let g = grads.consume::<B>(&ops.node);
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let found = self.operation.backward(inputs, g, wanted);
        for (node, gradient) in ops.parents.into_iter().zip(found) {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}
