//! Grouped-query attention with rotary positions.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig, RmsNorm};
use burn::tensor::{Device, Tensor};

use super::layout::Visible;
use super::norm::{new_norm, normed};
use super::parts::{AttentionParts, DecoderParts, HeadNorm, NormWeight};
use super::tables::LayerTables;
use crate::layers::{LayerCache, LinearApplier};
use crate::ops::{attend, in_type};

/// Self-attention; a group of query heads shares each key and value head. The description decides which of the layers
/// exist.
#[derive(Module, Debug)]
pub(super) struct Attention {
    q_proj: Option<Linear>,
    k_proj: Option<Linear>,
    v_proj: Option<Linear>,
    qkv_proj: Option<Linear>,
    o_proj: Linear,
    q_norm: Option<RmsNorm>,
    k_norm: Option<RmsNorm>,
    #[module(skip)]
    parts: AttentionParts,
    #[module(skip)]
    norm_weight: NormWeight,
}

impl Attention {
    pub(super) fn new(decoder: &DecoderParts, device: &Device) -> Self {
        let (hidden, parts) = (decoder.hidden, decoder.attention);
        let layer = |d_in, d_out, bias| LinearConfig::new(d_in, d_out).with_bias(bias).init(device);
        let (queries, keys) = (parts.queries(), parts.keys());
        let input = |d_out| layer(hidden, d_out, parts.input_bias);
        let apart = |d_out| (!parts.fused).then(|| input(d_out));
        let norm = |all_heads| {
            let width = match parts.head_norm? {
                HeadNorm::EachHead => parts.head_width,
                HeadNorm::AllHeads => all_heads,
            };
            Some(new_norm(width, &decoder.norm, device))
        };
        Self {
            q_proj: apart(queries),
            k_proj: apart(keys),
            v_proj: apart(keys),
            qkv_proj: parts.fused.then(|| input(queries + 2 * keys)),
            o_proj: layer(queries, hidden, parts.output_bias),
            q_norm: norm(queries),
            k_norm: norm(keys),
            parts,
            norm_weight: decoder.norm.weight,
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
        let [batch, tokens, _] = x.dims();
        let AttentionParts {
            heads: query_heads,
            key_heads,
            head_width,
            ..
        } = self.parts;
        let heads = |x: Tensor<3>, count: usize| {
            x.reshape([batch, tokens, count, head_width])
                .swap_dims(1, 2)
        };
        let [query, key, value] = self.projected(x, applier);
        let query = heads(self.normed(&self.q_norm, query), query_heads);
        let key = heads(self.normed(&self.k_norm, key), key_heads);
        let value = heads(value, key_heads);
        let rotated = |x: Tensor<4>| match tables.rope {
            Some(rope) => rope.rotate(x),
            None => x,
        };
        let key = rotated(key);
        let (key, value) = match cache {
            Some(cache) => cache.extend(key, value),
            None => (key, value),
        };

        // The queries of one group become additional rows of their key head, so that keys and values need no
        // copies.
        let attended = |query: Tensor<4>, key, value, mask: &Option<Tensor<4>>| {
            let tokens = query.dims()[2];
            let rows = [batch, key_heads, self.parts.groups() * tokens, head_width];
            let context = attend(query.reshape(rows), key, value, mask.as_ref());
            context.reshape([batch, query_heads, tokens, head_width])
        };
        let query = rotated(query) * self.parts.scale;
        let context = match tables.visible {
            Visible::Masked(mask) => attended(query, key, value, mask),
            Visible::Ranges(ranges) => {
                let parts = ranges.iter().map(|(range, mask)| {
                    let part = |x: &Tensor<4>| x.clone().narrow(2, range.start, range.len());
                    attended(part(&query), part(&key), part(&value), mask)
                });
                Tensor::cat(parts.collect(), 2)
            }
        };
        let context = context
            .swap_dims(1, 2)
            .reshape([batch, tokens, self.parts.queries()]);
        applier.project_alone(&self.o_proj, context)
    }

    /// Queries, keys and values.
    ///
    /// # Shapes
    /// - `x`: `[batch, tokens, hidden]`
    /// - outputs: `[batch, tokens, heads · head_width]`, with the query heads and twice with the key heads
    fn projected(&self, x: Tensor<3>, applier: &mut LinearApplier<'_>) -> [Tensor<3>; 3] {
        match (&self.q_proj, &self.k_proj, &self.v_proj, &self.qkv_proj) {
            (Some(query), Some(key), Some(value), None) => applier.project([query, key, value], x),
            (None, None, None, Some(all)) => {
                let [all] = applier.project([all], x);
                let (queries, keys) = (self.parts.queries(), self.parts.keys());
                let ranges = [(0, queries), (queries, keys), (queries + keys, keys)];
                ranges.map(|(start, width)| all.clone().narrow(2, start, width))
            }
            _ => unreachable!("invariant: built with one layer or with three"),
        }
    }

    /// Applies the norm of queries or keys, if there is one; the result has the type of `x`.
    ///
    /// # Shapes
    /// - `x` and output: `[batch, tokens, heads · head_width]`
    fn normed(&self, norm: &Option<RmsNorm>, x: Tensor<3>) -> Tensor<3> {
        let Some(norm) = norm else {
            return x;
        };
        let [batch, tokens, all_heads] = x.dims();
        // Heads that are normalized alone become tokens.
        let width = norm.gamma.dims()[0];
        let rows = x.reshape([batch, tokens * (all_heads / width), width]);
        let dtype = rows.dtype();
        in_type(normed(norm, self.norm_weight, rows), dtype).reshape([batch, tokens, all_heads])
    }
}
