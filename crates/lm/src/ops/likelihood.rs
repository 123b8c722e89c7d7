//! The loss of predicting tokens, in one pass over the logits on the processor backend flex.

use burn::tensor::{Device, Int, Tensor, TensorData, activation::log_softmax};

/// `Σ -ln softmax(logits)[target]`, in nats.
///
/// # Shapes
/// - `logits`: `[targets, vocabulary]`
/// - `targets`: one token id per row, below the vocabulary's size
/// - output: `[1]`
pub(crate) fn negative_log_likelihood(logits: Tensor<2>, targets: &[u32]) -> Tensor<1> {
    #[cfg(feature = "flex")]
    if on_flex::takes(&logits) {
        let loss = on_flex::negative_log_likelihood(logits, targets);
        return loss;
    }
    let device: Device = logits.device();
    let ids: Vec<i32> = targets.iter().map(|&id| id as i32).collect();
    let data = TensorData::new(ids, [targets.len(), 1]);
    let ids = Tensor::<2, Int>::from_data(data, &device);
    log_softmax(logits, 1).gather(1, ids).sum().neg()
}

/// `-ln softmax(logits)[target]` of every row, in nats; without a gradient.
///
/// # Shapes
/// - `logits`: `[targets, vocabulary]`
/// - `targets`: one token id per row, below the vocabulary's size
pub(crate) fn token_losses(logits: Tensor<2>, targets: &[u32]) -> Vec<f32> {
    #[cfg(feature = "flex")]
    if on_flex::takes(&logits) {
        let [_, width] = logits.dims();
        let logits = logits.into_data();
        if let Ok(logits) = logits.as_slice() {
            return kernels::loops::token_losses(logits, width, targets);
        }
        unreachable!("logits that the loops take are f32");
    }
    let ids: Vec<i32> = targets.iter().map(|&id| id as i32).collect();
    let data = TensorData::new(ids, [targets.len(), 1]);
    let ids = Tensor::<2, Int>::from_data(data, &logits.device());
    let losses = log_softmax(logits, 1).gather(1, ids).neg().into_data();
    losses.iter::<f32>().collect()
}

#[cfg(feature = "flex")]
mod on_flex {
    use std::sync::Arc;

    use burn::backend::autodiff::{
        Autodiff,
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    };
    use burn::backend::{
        Backend, Dispatch, DispatchDevice, Flex, TensorMetadata, backend_extension,
        tensor::FloatTensor,
    };
    use burn::tensor::{DType, Tensor, TensorData};

    /// Whether these logits are on flex, in f32.
    pub(super) fn takes(logits: &Tensor<2>) -> bool {
        let device = logits.device().without_autodiff();
        matches!(device.as_dispatch(), DispatchDevice::Flex(_)) && logits.dtype() == DType::F32
    }

    pub(super) fn negative_log_likelihood(logits: Tensor<2>, targets: &[u32]) -> Tensor<1> {
        let loss = Dispatch::likelihood_of(logits.into_dispatch(), targets.into());
        Tensor::from_dispatch(loss)
    }

    /// The loss, differentiable by the logits.
    #[backend_extension(Flex, Autodiff)]
    pub trait LikelihoodOps: Backend {
        /// # Shapes
        /// - `logits`: `[targets, vocabulary]`
        /// - output: `[1]`
        fn likelihood_of(logits: FloatTensor<Self>, targets: Arc<[u32]>) -> FloatTensor<Self>;
    }

    /// The loop of the backward pass.
    pub trait LikelihoodGradient: Backend {
        /// The gradient of the logits from that of the loss.
        ///
        /// # Shapes
        /// - `logits` and output: `[targets, vocabulary]`
        /// - `g`: `[1]`
        fn likelihood_gradient(
            logits: FloatTensor<Self>,
            targets: Arc<[u32]>,
            g: FloatTensor<Self>,
        ) -> FloatTensor<Self>;
    }

    impl LikelihoodOps for Flex {
        fn likelihood_of(logits: FloatTensor<Self>, targets: Arc<[u32]>) -> FloatTensor<Self> {
            let [_, width] = logits.shape().dims();
            let logits = logits.to_contiguous();
            let loss = kernels::loops::negative_log_likelihood(logits.storage(), width, &targets);
            FloatTensor::<Self>::from_data(TensorData::new(vec![loss], [1]))
        }
    }

    impl LikelihoodGradient for Flex {
        fn likelihood_gradient(
            logits: FloatTensor<Self>,
            targets: Arc<[u32]>,
            g: FloatTensor<Self>,
        ) -> FloatTensor<Self> {
            let [_, width] = logits.shape().dims();
            let scale: f32 = g.to_contiguous().storage()[0];
            // A second handle would make the logits be copied.
            let mut gradient = logits.to_contiguous();
            drop(logits);
            let numbers: &mut [f32] = gradient.storage_mut();
            kernels::loops::negative_log_likelihood_gradient(numbers, width, &targets, scale);
            gradient
        }
    }

    impl<B: LikelihoodOps + LikelihoodGradient, C: CheckpointStrategy> LikelihoodOps
        for Autodiff<B, C>
    {
        fn likelihood_of(logits: FloatTensor<Self>, targets: Arc<[u32]>) -> FloatTensor<Self> {
            let (logits, node) = logits.into_parts();
            let loss = B::likelihood_of(logits.clone(), targets.clone());
            match Likelihood.prepare::<C>([node]).compute_bound().stateful() {
                OpsKind::UnTracked(prepared) => prepared.finish(loss),
                OpsKind::Tracked(prepared) => prepared.finish((logits, targets), loss),
            }
        }
    }

    #[derive(Debug)]
    struct Likelihood;

    impl<B: LikelihoodGradient> Backward<B, 1> for Likelihood {
        type State = (FloatTensor<B>, Arc<[u32]>);

        fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
            let (logits, targets) = ops.state;
            let [node] = ops.parents;
            let g = grads.consume::<B>(&ops.node);
            if let Some(node) = node {
                grads.register::<B>(node.id, B::likelihood_gradient(logits, targets, g));
            }
        }
    }
}
