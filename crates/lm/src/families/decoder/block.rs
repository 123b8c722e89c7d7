//! One decoder block: attention and a feed-forward network, with norms before them, after them, or both.

use burn::module::Module;
use burn::nn::RmsNorm;
use burn::tensor::{Device, Tensor};

use super::attention::Attention;
use super::feed_forward::FeedForward;
use super::norm::{new_norm, normed};
use super::parts::{DecoderParts, NormPlaces, NormWeight};
use super::tables::LayerTables;
use crate::layers::{LayerCache, LinearApplier};
use crate::ops::in_type;

/// A block. Its norms have the names of the checkpoints, where `post_attention_layernorm` stands before the
/// feed-forward network if norms stand only before, and after attention otherwise.
#[derive(Module, Debug)]
pub(super) struct Block {
    input_layernorm: Option<RmsNorm>,
    self_attn: Attention,
    post_attention_layernorm: RmsNorm,
    pre_feedforward_layernorm: Option<RmsNorm>,
    post_feedforward_layernorm: Option<RmsNorm>,
    mlp: FeedForward,
    #[module(skip)]
    places: NormPlaces,
    #[module(skip)]
    norm_weight: NormWeight,
    #[module(skip)]
    residual: f64,
}

/// The norms of a part of a block.
struct Around<'a> {
    before: Option<&'a RmsNorm>,
    after: Option<&'a RmsNorm>,
}

impl Block {
    pub(super) fn new(parts: &DecoderParts, device: &Device) -> Self {
        let norm = || new_norm(parts.hidden, &parts.norm, device);
        let places = parts.norm.places;
        let (before, after) = (places != NormPlaces::After, places != NormPlaces::Before);
        Self {
            input_layernorm: before.then(norm),
            self_attn: Attention::new(parts, device),
            post_attention_layernorm: norm(),
            pre_feedforward_layernorm: (before && after).then(norm),
            post_feedforward_layernorm: after.then(norm),
            mlp: FeedForward::new(parts, device),
            places,
            norm_weight: parts.norm.weight,
            residual: parts.multipliers.residual,
        }
    }

    /// # Shapes
    /// - `x` and output: `[batch, tokens, hidden]`
    pub(super) fn forward(
        &self,
        x: Tensor<3>,
        tables: LayerTables<'_>,
        cache: Option<&mut LayerCache>,
        applier: &mut LinearApplier<'_>,
    ) -> Tensor<3> {
        let [attention, feed_forward] = self.norms();
        let x = self.added(x, attention, |x| {
            self.self_attn.forward(x, tables, cache, applier)
        });
        self.added(x, feed_forward, |x| self.mlp.forward(x, applier))
    }

    /// The norms around attention and those around the feed-forward network.
    fn norms(&self) -> [Around<'_>; 2] {
        let middle = Some(&self.post_attention_layernorm);
        let (after_attention, before_feed_forward) = match self.places {
            NormPlaces::Before => (None, middle),
            NormPlaces::After | NormPlaces::Both => {
                (middle, self.pre_feedforward_layernorm.as_ref())
            }
        };
        let attention = Around {
            before: self.input_layernorm.as_ref(),
            after: after_attention,
        };
        let feed_forward = Around {
            before: before_feed_forward,
            after: self.post_feedforward_layernorm.as_ref(),
        };
        [attention, feed_forward]
    }

    /// `x + r · after(part(before(x)))`, in the type of `x`.
    ///
    /// # Shapes
    /// - `x` and output: `[batch, tokens, hidden]`
    fn added(
        &self,
        x: Tensor<3>,
        norms: Around<'_>,
        part: impl FnOnce(Tensor<3>) -> Tensor<3>,
    ) -> Tensor<3> {
        let norm = |norm: Option<&RmsNorm>, x: Tensor<3>| match norm {
            Some(norm) => normed(norm, self.norm_weight, x),
            None => x,
        };
        let change = norm(norms.after, part(norm(norms.before, x.clone())));
        let change = in_type(change, x.dtype());
        match self.residual == 1.0 {
            true => x + change,
            false => x + change * self.residual,
        }
    }
}
