//! Operations that only save their inputs. The backward pass recomputes intermediate values, and the output
//! for the layers that follow.

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

/// An operation that is cheap to recompute.
pub(super) trait CheapOperation<B: Backend, const N: usize>:
    Clone + Debug + Send + 'static
{
    fn forward(&self, inputs: [FloatTensor<B>; N]) -> FloatTensor<B>;

    /// Gradients of the wanted inputs, from the gradient of the output.
    fn backward(
        &self,
        inputs: [FloatTensor<B>; N],
        g: FloatTensor<B>,
        wanted: [bool; N],
    ) -> [Option<FloatTensor<B>>; N];
}

/// Applies an operation whose output is recomputed in the backward pass, whatever Burn's checkpointing
/// strategy is.
pub(super) fn recomputed<B, O, const N: usize>(
    operation: O,
    inputs: [FloatTensor<Autodiff<B>>; N],
) -> FloatTensor<Autodiff<B>>
where
    B: Backend,
    O: CheapOperation<B, N>,
{
    let recomputed = Recomputed::<B, O, N> {
        operation: operation.clone(),
        inputs: inputs.each_ref().map(|input| input.id()),
        backend: PhantomData,
    };
    let prepared = recomputed
        .clone()
        .prepare::<BalancedCheckpointing>(inputs.each_ref().map(|input| input.node()))
        .memory_bound()
        .retro_forward(recomputed)
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

/// The operation and the nodes of its inputs.
#[derive(Clone, Debug)]
struct Recomputed<B, O, const N: usize> {
    operation: O,
    inputs: [NodeId; N],
    backend: PhantomData<B>,
}

impl<B: Backend, O: CheapOperation<B, N>, const N: usize> RetroForward for Recomputed<B, O, N> {
    fn forward(&self, states: &mut BackwardStates, out: NodeId) {
        let inputs = self
            .inputs
            .map(|id| states.get_state::<FloatTensor<B>>(&id));
        states.save(out, self.operation.forward(inputs));
    }
}

impl<B: Backend, O: CheapOperation<B, N>, const N: usize> Backward<B, N> for Recomputed<B, O, N> {
    type State = ();

    fn backward(self, ops: Ops<(), N>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let inputs = self.inputs.map(|id| checkpointer.retrieve_node_output(id));
        let g = grads.consume::<B>(&ops.node);
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let gradients = self.operation.backward(inputs, g, wanted);
        for (node, gradient) in ops.parents.into_iter().zip(gradients) {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}
