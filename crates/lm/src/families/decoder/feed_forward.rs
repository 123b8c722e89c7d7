//! The gated feed-forward network of a block.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use super::parts::{Activation, DecoderParts};
use crate::layers::LinearApplier;
use crate::ops::{gelu_gate, silu_gate};

/// `down(activation(gate(x)) · up(x))`; the description decides whether gate and up are one layer.
#[derive(Module, Debug)]
pub(super) struct FeedForward {
    gate_proj: Option<Linear>,
    up_proj: Option<Linear>,
    gate_up_proj: Option<Linear>,
    down_proj: Linear,
    #[module(skip)]
    activation: Activation,
}

impl FeedForward {
    pub(super) fn new(parts: &DecoderParts, device: &Device) -> Self {
        let (hidden, feed_forward) = (parts.hidden, parts.feed_forward);
        let inner = feed_forward.inner;
        let layer = |d_in, d_out| {
            LinearConfig::new(d_in, d_out)
                .with_bias(feed_forward.bias)
                .init(device)
        };
        let apart = || (!feed_forward.fused).then(|| layer(hidden, inner));
        Self {
            gate_proj: apart(),
            up_proj: apart(),
            gate_up_proj: feed_forward.fused.then(|| layer(hidden, 2 * inner)),
            down_proj: layer(inner, hidden),
            activation: feed_forward.activation,
        }
    }

    /// # Shapes
    /// - `x` and output: `[batch, tokens, hidden]`
    pub(super) fn forward(&self, x: Tensor<3>, applier: &mut LinearApplier<'_>) -> Tensor<3> {
        let [gate, up] = match (&self.gate_proj, &self.up_proj, &self.gate_up_proj) {
            (Some(gate), Some(up), None) => applier.project([gate, up], x),
            (None, None, Some(both)) => {
                let [both] = applier.project([both], x);
                let inner = both.dims()[2] / 2;
                [0, inner].map(|start| both.clone().narrow(2, start, inner))
            }
            _ => unreachable!("invariant: built with one layer or with two"),
        };
        let gated = match self.activation {
            Activation::Silu => silu_gate(gate, up),
            Activation::TanhGelu => gelu_gate(gate, up),
        };
        let [output] = applier.project([&self.down_proj], gated);
        output
    }
}
