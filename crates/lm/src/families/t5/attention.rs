//! Multi-head attention without scaling of the scores: T5 includes the scale in its initial weights.

use burn::module::{Initializer, Module};
use burn::nn::{Embedding, EmbeddingConfig, Linear};
use burn::tensor::{Device, Tensor};

use super::T5Config;
use super::feed_forward::linear;
use crate::layers::{LayerCache, LinearApplier};
use crate::ops::attend;

/// Keys and values of the encoder's output, for one decoder block.
///
/// # Shapes
/// - both: `[batch, heads, encoder tokens, d_kv]`
pub(super) type Memory = (Tensor<4>, Tensor<4>);

/// Attention within a stack, or from the decoder to the encoder.
#[derive(Module, Debug)]
pub(super) struct Attention {
    pub(super) q: Linear,
    pub(super) k: Linear,
    pub(super) v: Linear,
    o: Linear,
    /// The bias table of the stack, which only its first block has.
    pub(super) relative_attention_bias: Option<Embedding>,
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    head_width: usize,
}

impl Attention {
    pub(super) fn new(config: &T5Config, with_bias_table: bool, device: &Device) -> Self {
        let (model, head_width) = (config.d_model, config.d_kv);
        let inner = config.num_heads * head_width;
        let keys = (model as f64).powf(-0.5);
        let table = || {
            let deviation = Initializer::Normal {
                mean: 0.0,
                std: keys,
            };
            EmbeddingConfig::new(config.relative_attention_num_buckets, config.num_heads)
                .with_initializer(deviation)
                .init(device)
        };
        Self {
            q: linear(
                model,
                inner,
                ((model * head_width) as f64).powf(-0.5),
                device,
            ),
            k: linear(model, inner, keys, device),
            v: linear(model, inner, keys, device),
            o: linear(inner, model, (inner as f64).powf(-0.5), device),
            relative_attention_bias: with_bias_table.then(table),
            heads: config.num_heads,
            head_width,
        }
    }

    /// Attention of the tokens of a stack to each other.
    ///
    /// # Shapes
    /// - `x` and output: `[batch, tokens, d_model]`
    /// - `bias`: added to the scores, `[batch or 1, heads, tokens, keys]`
    pub(super) fn within(
        &self,
        x: Tensor<3>,
        bias: &Tensor<4>,
        cache: Option<&mut LayerCache>,
        applier: &mut LinearApplier<'_>,
    ) -> Tensor<3> {
        let [query, key, value] = applier.project([&self.q, &self.k, &self.v], x);
        let (key, value) = (self.split_heads(key), self.split_heads(value));
        let (key, value) = match cache {
            Some(cache) => cache.extend(key, value),
            None => (key, value),
        };
        self.attend(query, key, value, Some(bias), applier)
    }

    /// Attention from the decoder's tokens to the encoder's.
    ///
    /// # Shapes
    /// - `x` and output: `[batch, tokens, d_model]`
    /// - `mask`: `[batch, 1, 1, encoder tokens]`
    pub(super) fn across(
        &self,
        x: Tensor<3>,
        (key, value): &Memory,
        mask: Option<&Tensor<4>>,
        applier: &mut LinearApplier<'_>,
    ) -> Tensor<3> {
        let [query] = applier.project([&self.q], x);
        self.attend(query, key.clone(), value.clone(), mask, applier)
    }

    /// # Shapes
    /// - `x`: `[batch, tokens, heads · d_kv]`
    /// - output: `[batch, heads, tokens, d_kv]`
    pub(super) fn split_heads(&self, x: Tensor<3>) -> Tensor<4> {
        let [batch, tokens, _] = x.dims();
        x.reshape([batch, tokens, self.heads, self.head_width])
            .swap_dims(1, 2)
    }

    fn attend(
        &self,
        query: Tensor<3>,
        key: Tensor<4>,
        value: Tensor<4>,
        bias: Option<&Tensor<4>>,
        applier: &mut LinearApplier<'_>,
    ) -> Tensor<3> {
        let [batch, tokens, inner] = query.dims();
        let context = attend(self.split_heads(query), key, value, bias);
        let context = context.swap_dims(1, 2).reshape([batch, tokens, inner]);
        applier.project_alone(&self.o, context)
    }
}
