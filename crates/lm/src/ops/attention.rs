//! Attention that does not save its probabilities. They grow with the square of the number of tokens, and one
//! product and a softmax recompute them.

#![allow(deprecated)] // Burn 0.22 announces the removal of its ndarray backend.

use burn::backend::autodiff::{
    Autodiff,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension, tensor::FloatTensor};
use burn::tensor::{Tensor, activation::softmax};
use kernels::{Chains, in_type as cast, widened};

use super::built_for;
use super::precision::{in_type, widened as wide};

/// `softmax(q kᵀ + bias) v`; the softmax of numbers of two bytes is computed in f32, the type of `bias`.
///
/// # Shapes
/// - `query`: `[batch, heads, queries, width]`
/// - `key`: `[batch, heads, keys, width]`
/// - `value`: `[batch, heads, keys, value width]`
/// - `bias`: `[batch or 1, heads or 1, queries or 1, keys]`
/// - output: `[batch, heads, queries, value width]`
pub(crate) fn attend(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    bias: Option<&Tensor<4>>,
) -> Tensor<4> {
    let biased = bias.is_some();
    if built_for(&query.device()) {
        // Without a bias, another tensor takes its place, which is not read.
        let bias = bias.map_or_else(|| query.clone().detach(), Tensor::clone);
        return Tensor::from_dispatch(Dispatch::attention_of(
            query.into_dispatch(),
            key.into_dispatch(),
            value.into_dispatch(),
            bias.into_dispatch(),
            biased,
        ));
    }
    let dtype = query.dtype();
    let scores = query.matmul(key.swap_dims(2, 3));
    let scores = wide(scores);
    let scores = match bias {
        Some(bias) => scores + bias.clone(),
        None => scores,
    };
    in_type(softmax(scores, 3), dtype).matmul(value)
}

/// `softmax(q kᵀ + bias) v`, differentiable by all four.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(any(feature = "wgpu", feature = "cuda")),
    Autodiff,
)]
pub trait AttentionOps: Chains {
    /// `softmax(q kᵀ + bias) v`; `bias` is only read if `biased` is set.
    ///
    /// # Shapes
    /// - as for [`attend`]
    fn attention_of(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        biased: bool,
    ) -> FloatTensor<Self> {
        let inputs = Inputs::<Self> {
            query,
            key,
            bias: biased.then_some(bias),
        };
        inputs.context(value)
    }
}

#[cfg(feature = "flex")]
impl AttentionOps for burn::backend::Flex {}
#[cfg(feature = "ndarray")]
impl AttentionOps for burn::backend::NdArray {}
#[cfg(any(feature = "wgpu", feature = "cuda"))]
impl AttentionOps for burn::backend::Cube {}

impl<B: Backend + AttentionOps, C: CheckpointStrategy> AttentionOps for Autodiff<B, C> {
    fn attention_of(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        biased: bool,
    ) -> FloatTensor<Self> {
        let (query, query_node) = query.into_parts();
        let (key, key_node) = key.into_parts();
        let (value, value_node) = value.into_parts();
        let (bias, bias_node) = bias.into_parts();
        let inputs = Inputs::<B> {
            query,
            key,
            bias: biased.then_some(bias),
        };
        let context = inputs.context(value.clone());
        let prepared = Attention.prepare::<C>([query_node, key_node, value_node, bias_node]);
        match prepared.compute_bound().stateful() {
            OpsKind::UnTracked(prepared) => prepared.finish(context),
            OpsKind::Tracked(prepared) => prepared.finish((inputs, value), context),
        }
    }
}

/// The inputs of the attention probabilities.
#[derive(Clone, Debug)]
struct Inputs<B: Backend> {
    query: FloatTensor<B>,
    key: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
}

impl<B: Chains> Inputs<B> {
    /// `softmax(q kᵀ + bias)`, in f32 if the queries have two bytes: `[batch, heads, queries, keys]`
    fn probabilities(&self) -> FloatTensor<B> {
        let scores = B::product(self.query.clone(), B::float_transpose(self.key.clone()));
        B::softmax_of_biased(widened::<B>(scores), self.bias.clone())
    }

    /// `softmax(q kᵀ + bias) v`: `[batch, heads, queries, value width]`
    fn context(&self, value: FloatTensor<B>) -> FloatTensor<B> {
        B::product(self.narrowed(self.probabilities()), value)
    }

    /// Probabilities or their gradient, as a factor of a product.
    fn narrowed(&self, x: FloatTensor<B>) -> FloatTensor<B> {
        cast::<B>(x, self.query.dtype())
    }
}

#[derive(Debug)]
struct Attention;

impl<B: Chains> Backward<B, 4> for Attention {
    type State = (Inputs<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (inputs, value) = ops.state;
        let [query_node, key_node, value_node, bias_node] = ops.parents;
        let g = grads.consume::<B>(&ops.node);
        let probabilities = inputs.probabilities();
        if let Some(node) = value_node {
            let transposed = B::float_transpose(inputs.narrowed(probabilities.clone()));
            grads.register::<B>(node.id, B::product(transposed, g.clone()));
        }
        if query_node.is_none() && key_node.is_none() && bias_node.is_none() {
            return;
        }
        // dS = p · (dp - Σ p dp), the sum over the keys.
        let probabilities_gradient = widened::<B>(B::product(g, B::float_transpose(value)));
        let scores_gradient = B::softmax_gradient(probabilities, probabilities_gradient);
        if let (Some(node), Some(bias)) = (bias_node, &inputs.bias) {
            // What holds for a whole dimension gets the sum over it.
            let shape = bias.shape();
            let held = (0..4).filter(|&dim| shape[dim] == 1);
            let sum = held.fold(scores_gradient.clone(), |sum, dim| {
                B::float_sum_dim(sum, dim)
            });
            grads.register::<B>(node.id, sum);
        }
        let scores_gradient = inputs.narrowed(scores_gradient);
        if let Some(node) = key_node {
            let transposed = B::float_transpose(scores_gradient.clone());
            grads.register::<B>(node.id, B::product(transposed, inputs.query));
        }
        if let Some(node) = query_node {
            grads.register::<B>(node.id, B::product(scores_gradient, inputs.key));
        }
    }
}
