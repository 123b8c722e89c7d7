//! Grouped-query attention with rotary positions.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use super::LlamaConfig;
use super::layout::Visible;
use super::rope::Rope;
use crate::layers::{LayerCache, LinearApplier};
use crate::ops::attend;

/// Self-attention; `groups` query heads share each key and value head.
#[derive(Module, Debug)]
pub(crate) struct Attention {
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    o_proj: Linear,
    #[module(skip)]
    key_value_heads: usize,
    #[module(skip)]
    groups: usize,
    #[module(skip)]
    head_width: usize,
}

impl Attention {
    pub(crate) fn new(config: &LlamaConfig, device: &Device) -> Self {
        let width = config.head_width();
        let layer = |d_in, d_out| {
            LinearConfig::new(d_in, d_out)
                .with_bias(config.attention_bias)
                .init(device)
        };
        let queries = config.num_attention_heads * width;
        let keys = config.key_value_heads() * width;
        Self {
            q_proj: layer(config.hidden_size, queries),
            k_proj: layer(config.hidden_size, keys),
            v_proj: layer(config.hidden_size, keys),
            o_proj: layer(queries, config.hidden_size),
            key_value_heads: config.key_value_heads(),
            groups: config.num_attention_heads / config.key_value_heads(),
            head_width: width,
        }
    }

    /// # Shapes
    /// - `x` and output: `[batch, tokens, hidden]`
    pub(crate) fn forward(
        &self,
        x: Tensor<3>,
        rope: &Rope,
        visible: &Visible,
        cache: Option<&mut LayerCache>,
        applier: &mut LinearApplier<'_>,
    ) -> Tensor<3> {
        let [batch, tokens, _] = x.dims();
        let heads = |x: Tensor<3>, count: usize| {
            x.reshape([batch, tokens, count, self.head_width])
                .swap_dims(1, 2)
        };
        let query_heads = self.key_value_heads * self.groups;
        let layers = [&self.q_proj, &self.k_proj, &self.v_proj];
        let [query, key, value] = applier.project(layers, x);
        let query = heads(query, query_heads);
        let key = heads(key, self.key_value_heads);
        let value = heads(value, self.key_value_heads);
        let key = rope.rotate(key);
        let (key, value) = match cache {
            Some(cache) => cache.extend(key, value),
            None => (key, value),
        };

        // The queries of one group become additional rows of their key head, so that keys and values need no
        // copies.
        let attended = |query: Tensor<4>, key, value, mask: &Option<Tensor<4>>| {
            let tokens = query.dims()[2];
            let rows = [
                batch,
                self.key_value_heads,
                self.groups * tokens,
                self.head_width,
            ];
            let context = attend(query.reshape(rows), key, value, mask.as_ref());
            context.reshape([batch, query_heads, tokens, self.head_width])
        };
        let scale = (self.head_width as f64).powf(-0.5);
        let query = rope.rotate(query) * scale;
        let context = match visible {
            Visible::Masked(mask) => attended(query, key, value, mask),
            Visible::Ranges(ranges) => {
                let parts = ranges.iter().map(|(range, mask)| {
                    let part = |x: &Tensor<4>| x.clone().narrow(2, range.start, range.len());
                    attended(part(&query), part(&key), part(&value), mask)
                });
                Tensor::cat(parts.collect(), 2)
            }
        };
        let context =
            context
                .swap_dims(1, 2)
                .reshape([batch, tokens, query_heads * self.head_width]);
        applier.project_alone(&self.o_proj, context)
    }
}
