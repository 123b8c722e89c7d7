//! One decoder block: attention and a gated feed-forward network, each behind a norm.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig, RmsNorm, RmsNormConfig};
use burn::tensor::{Device, Tensor};

use super::LlamaConfig;
use super::attention::Attention;
use super::layout::Visible;
use super::rope::Rope;
use crate::layers::{LayerCache, LinearApplier};
use crate::ops::{rms_norm, silu_gate};

/// `down(silu(gate(x)) · up(x))`
#[derive(Module, Debug)]
struct Mlp {
    gate_proj: Linear,
    up_proj: Linear,
    down_proj: Linear,
}

impl Mlp {
    fn new(config: &LlamaConfig, device: &Device) -> Self {
        let layer = |d_in, d_out| {
            LinearConfig::new(d_in, d_out)
                .with_bias(config.mlp_bias)
                .init(device)
        };
        Self {
            gate_proj: layer(config.hidden_size, config.intermediate_size),
            up_proj: layer(config.hidden_size, config.intermediate_size),
            down_proj: layer(config.intermediate_size, config.hidden_size),
        }
    }

    fn forward(&self, x: Tensor<3>, applier: &mut LinearApplier<'_>) -> Tensor<3> {
        let [gate, up] = applier.project([&self.gate_proj, &self.up_proj], x);
        let [output] = applier.project([&self.down_proj], silu_gate(gate, up));
        output
    }
}

#[derive(Module, Debug)]
pub(crate) struct Block {
    input_layernorm: RmsNorm,
    self_attn: Attention,
    post_attention_layernorm: RmsNorm,
    mlp: Mlp,
}

impl Block {
    pub(crate) fn new(config: &LlamaConfig, device: &Device) -> Self {
        let norm = || {
            RmsNormConfig::new(config.hidden_size)
                .with_epsilon(config.rms_norm_eps)
                .init(device)
        };
        Self {
            input_layernorm: norm(),
            self_attn: Attention::new(config, device),
            post_attention_layernorm: norm(),
            mlp: Mlp::new(config, device),
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
        let normed = rms_norm(&self.input_layernorm, x.clone());
        let attended = self
            .self_attn
            .forward(normed, rope, visible, cache, applier);
        let x = x + attended;
        let normed = rms_norm(&self.post_attention_layernorm, x.clone());
        x + self.mlp.forward(normed, applier)
    }
}
