//! The two stacks of blocks. Names and nesting of the fields follow the checkpoint's tensors.

#![allow(non_snake_case)]

use burn::module::Module;
use burn::nn::{RmsNorm, RmsNormConfig};
use burn::tensor::{Device, Tensor};

use super::T5Config;
use super::attention::{Attention, Memory};
use super::feed_forward::FeedForward;
use super::position::{Buckets, causal_mask};
use crate::layers::{Branches, LayerCache, LinearApplier};
use crate::ops::{in_type, rms_norm};

fn norm(config: &T5Config, device: &Device) -> RmsNorm {
    RmsNormConfig::new(config.d_model)
        .with_epsilon(config.layer_norm_epsilon)
        .init(device)
}

/// `x + change`, in the type of `x`.
///
/// # Shapes
/// - all: `[batch, tokens, d_model]`
fn added(x: Tensor<3>, change: Tensor<3>) -> Tensor<3> {
    let change = in_type(change, x.dtype());
    x + change
}

#[derive(Module, Debug)]
struct SelfAttentionLayer {
    SelfAttention: Attention,
    layer_norm: RmsNorm,
}

impl SelfAttentionLayer {
    fn new(config: &T5Config, first: bool, device: &Device) -> Self {
        Self {
            SelfAttention: Attention::new(config, first, device),
            layer_norm: norm(config, device),
        }
    }

    fn forward(
        &self,
        x: Tensor<3>,
        bias: &Tensor<4>,
        cache: Option<&mut LayerCache>,
        applier: &mut LinearApplier<'_>,
    ) -> Tensor<3> {
        let normed = rms_norm(&self.layer_norm, x.clone());
        added(x, self.SelfAttention.within(normed, bias, cache, applier))
    }
}

#[derive(Module, Debug)]
struct CrossAttentionLayer {
    EncDecAttention: Attention,
    layer_norm: RmsNorm,
}

#[derive(Module, Debug)]
struct FeedForwardLayer {
    DenseReluDense: FeedForward,
    layer_norm: RmsNorm,
}

impl FeedForwardLayer {
    fn new(config: &T5Config, device: &Device) -> Self {
        Self {
            DenseReluDense: FeedForward::new(config, device),
            layer_norm: norm(config, device),
        }
    }

    fn forward(&self, x: Tensor<3>, applier: &mut LinearApplier<'_>) -> Tensor<3> {
        let normed = rms_norm(&self.layer_norm, x.clone());
        added(x, self.DenseReluDense.forward(normed, applier))
    }
}

#[derive(Module, Debug)]
pub(super) struct EncoderBlock {
    layer: (SelfAttentionLayer, FeedForwardLayer),
}

impl EncoderBlock {
    /// # Shapes
    /// - `x` and output: `[batch, tokens, d_model]`
    /// - `bias`: see [`Encoder::bias`]
    pub(super) fn forward(
        &self,
        x: Tensor<3>,
        bias: &Tensor<4>,
        applier: &mut LinearApplier<'_>,
    ) -> Tensor<3> {
        let (attention, feed_forward) = &self.layer;
        let x = attention.forward(x, bias, None, applier);
        feed_forward.forward(x, applier)
    }
}

#[derive(Module, Debug)]
pub(super) struct DecoderBlock {
    layer: (SelfAttentionLayer, CrossAttentionLayer, FeedForwardLayer),
}

impl DecoderBlock {
    /// This block's keys and values of the encoder's output.
    ///
    /// # Shapes
    /// - `encoded`: `[batch, encoder tokens, d_model]`
    pub(super) fn memory(&self, encoded: Tensor<3>, applier: &mut LinearApplier<'_>) -> Memory {
        let attention = &self.layer.1.EncDecAttention;
        let [key, value] = applier.project([&attention.k, &attention.v], encoded);
        (attention.split_heads(key), attention.split_heads(value))
    }

    /// # Shapes
    /// - `x` and output: `[batch, tokens, d_model]`
    /// - `bias`: see [`Decoder::bias`]
    /// - `mask`: hides the encoder's padding, `[batch, 1, 1, encoder tokens]`
    pub(super) fn forward(
        &self,
        x: Tensor<3>,
        bias: &Tensor<4>,
        memory: &Memory,
        mask: Option<&Tensor<4>>,
        cache: Option<&mut LayerCache>,
        applier: &mut LinearApplier<'_>,
    ) -> Tensor<3> {
        let (attention, cross, feed_forward) = &self.layer;
        let x = attention.forward(x, bias, cache, applier);
        let normed = rms_norm(&cross.layer_norm, x.clone());
        let attended = cross.EncDecAttention.across(normed, memory, mask, applier);
        feed_forward.forward(added(x, attended), applier)
    }
}

/// The encoder, which encodes prompts.
#[derive(Module, Debug)]
pub(super) struct Encoder {
    pub(super) block: Vec<EncoderBlock>,
    pub(super) final_layer_norm: RmsNorm,
    #[module(skip)]
    buckets: Buckets,
}

impl Encoder {
    pub(super) fn new(config: &T5Config, device: &Device) -> Self {
        let block = |index| EncoderBlock {
            layer: (
                SelfAttentionLayer::new(config, index == 0, device),
                FeedForwardLayer::new(config, device),
            ),
        };
        Self {
            block: (0..config.num_layers).map(block).collect(),
            final_layer_norm: norm(config, device),
            buckets: Buckets::new(config, true),
        }
    }

    /// The bias that every block adds to its attention scores: relative positions, and the mask.
    ///
    /// # Shapes
    /// - `mask`: hides padding, `[batch, 1, 1, tokens]`
    /// - output: `[batch or 1, heads, tokens, tokens]`
    pub(super) fn bias(&self, tokens: usize, mask: Option<&Tensor<4>>) -> Tensor<4> {
        let first = self.block.first().map(|block| &block.layer.0.SelfAttention);
        shared_bias(first, self.buckets, (0, tokens), &Branches::none(), mask)
    }

    /// # Shapes
    /// - `x` and output: `[batch, tokens, d_model]`
    /// - `mask`: hides padding, `[batch, 1, 1, tokens]`
    pub(super) fn forward(
        &self,
        mut x: Tensor<3>,
        mask: Option<&Tensor<4>>,
        applier: &mut LinearApplier<'_>,
    ) -> Tensor<3> {
        let bias = self.bias(x.dims()[1], mask);
        for block in &self.block {
            x = block.forward(x, &bias, applier);
        }
        self.final_layer_norm.forward(x)
    }
}

/// The decoder, which generates answers.
#[derive(Module, Debug)]
pub(super) struct Decoder {
    pub(super) block: Vec<DecoderBlock>,
    pub(super) final_layer_norm: RmsNorm,
    #[module(skip)]
    buckets: Buckets,
}

impl Decoder {
    pub(super) fn new(config: &T5Config, device: &Device) -> Self {
        let block = |index| DecoderBlock {
            layer: (
                SelfAttentionLayer::new(config, index == 0, device),
                CrossAttentionLayer {
                    EncDecAttention: Attention::new(config, false, device),
                    layer_norm: norm(config, device),
                },
                FeedForwardLayer::new(config, device),
            ),
        };
        Self {
            block: (0..config.decoder_layers()).map(block).collect(),
            final_layer_norm: norm(config, device),
            buckets: Buckets::new(config, false),
        }
    }

    /// The keys and values of every block. All blocks read the same tensor, so an observer sees it once.
    ///
    /// # Shapes
    /// - `encoded`: `[batch, tokens, d_model]`
    pub(super) fn memories(
        &self,
        encoded: Tensor<3>,
        applier: &mut LinearApplier<'_>,
    ) -> Vec<Memory> {
        let attentions = self
            .block
            .iter()
            .map(|block| &block.layer.1.EncDecAttention);
        let layers: Vec<_> = attentions
            .clone()
            .flat_map(|attention| [&attention.k, &attention.v])
            .collect();
        let mut projected = applier.project_all(&layers, encoded).into_iter();
        let memory = |attention: &Attention| {
            let key = projected.next()?;
            let value = projected.next()?;
            Some((attention.split_heads(key), attention.split_heads(value)))
        };
        attentions.map_while(memory).collect()
    }

    /// The bias that every block adds to its attention scores: relative positions, and the causal mask.
    ///
    /// # Shapes
    /// - output: `[1, heads, tokens, past + tokens]`
    pub(super) fn bias(&self, past: usize, tokens: usize, device: &Device) -> Tensor<4> {
        self.branching_bias(past, tokens, &Branches::none(), device)
    }

    /// As [`bias`](Self::bias), where some of the tokens are branches.
    fn branching_bias(
        &self,
        past: usize,
        tokens: usize,
        branches: &Branches,
        device: &Device,
    ) -> Tensor<4> {
        let causal = causal_mask(past, tokens, branches, device);
        let first = self.block.first().map(|block| &block.layer.0.SelfAttention);
        shared_bias(
            first,
            self.buckets,
            (past, tokens),
            branches,
            causal.as_ref(),
        )
    }

    /// Hidden states of tokens after `past` cached ones.
    ///
    /// # Shapes
    /// - `x` and output: `[batch, tokens, d_model]`
    /// - `mask`: hides the encoder's padding, `[batch, 1, 1, encoder tokens]`
    pub(super) fn forward(
        &self,
        x: Tensor<3>,
        past: usize,
        memories: &[Memory],
        mask: Option<&Tensor<4>>,
        cache: Option<&mut Vec<LayerCache>>,
        applier: &mut LinearApplier<'_>,
    ) -> Tensor<3> {
        let bias = self.bias(past, x.dims()[1], &x.device());
        self.with_bias(x, &bias, memories, mask, cache, applier)
    }

    /// Hidden states of tokens some of which are branches, without a cache.
    ///
    /// # Shapes
    /// - as for [`forward`](Self::forward)
    pub(super) fn forward_branching(
        &self,
        x: Tensor<3>,
        branches: &Branches,
        memories: &[Memory],
        mask: Option<&Tensor<4>>,
        applier: &mut LinearApplier<'_>,
    ) -> Tensor<3> {
        let bias = self.branching_bias(0, x.dims()[1], branches, &x.device());
        self.with_bias(x, &bias, memories, mask, None, applier)
    }

    fn with_bias(
        &self,
        mut x: Tensor<3>,
        bias: &Tensor<4>,
        memories: &[Memory],
        mask: Option<&Tensor<4>>,
        mut cache: Option<&mut Vec<LayerCache>>,
        applier: &mut LinearApplier<'_>,
    ) -> Tensor<3> {
        for (index, (block, memory)) in self.block.iter().zip(memories).enumerate() {
            let cache = cache.as_mut().map(|layers| &mut layers[index]);
            x = block.forward(x, bias, memory, mask, cache, applier);
        }
        self.final_layer_norm.forward(x)
    }
}

/// The bias that all blocks of a stack share, for so many tokens after `past` ones: the table of the first block, and a
/// mask.
///
/// # Shapes
/// - output: `[batch or 1, heads, tokens, past + tokens]`
fn shared_bias(
    first: Option<&Attention>,
    buckets: Buckets,
    (past, tokens): (usize, usize),
    branches: &Branches,
    mask: Option<&Tensor<4>>,
) -> Tensor<4> {
    let table = first.and_then(|attention| attention.relative_attention_bias.as_ref());
    let table = table.expect("invariant: the first block of a stack has the bias table");
    let bias = buckets.bias(table, past, tokens, branches);
    match mask {
        Some(mask) => bias + mask.clone(),
        None => bias,
    }
}
