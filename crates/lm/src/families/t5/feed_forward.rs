//! The feed-forward network of a block, plain or gated.

use burn::module::{Initializer, Module};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, activation};

use super::{Activation, T5Config};
use crate::layers::LinearApplier;
use crate::ops::gelu_gate;

/// A linear layer without bias whose weights are drawn with the given standard deviation.
pub(super) fn linear(d_in: usize, d_out: usize, deviation: f64, device: &Device) -> Linear {
    LinearConfig::new(d_in, d_out)
        .with_bias(false)
        .with_initializer(Initializer::Normal {
            mean: 0.0,
            std: deviation,
        })
        .init(device)
}

/// `wo(relu(wi(x)))` or `wo(gelu(wi_0(x)) · wi_1(x))`; the version decides which of the first layers exist.
#[derive(Module, Debug)]
pub(super) struct FeedForward {
    wi: Option<Linear>,
    wi_0: Option<Linear>,
    wi_1: Option<Linear>,
    wo: Linear,
}

impl FeedForward {
    pub(super) fn new(config: &T5Config, device: &Device) -> Self {
        let input = || {
            let deviation = (config.d_model as f64).powf(-0.5);
            linear(config.d_model, config.d_ff, deviation, device)
        };
        let gated = config.activation() == Activation::GatedGelu;
        let deviation = (config.d_ff as f64).powf(-0.5);
        Self {
            wi: (!gated).then(input),
            wi_0: gated.then(input),
            wi_1: gated.then(input),
            wo: linear(config.d_ff, config.d_model, deviation, device),
        }
    }

    /// # Shapes
    /// - `x` and output: `[batch, tokens, d_model]`
    pub(super) fn forward(&self, x: Tensor<3>, applier: &mut LinearApplier<'_>) -> Tensor<3> {
        let inner = match (&self.wi, &self.wi_0, &self.wi_1) {
            (None, Some(gate), Some(up)) => {
                let [gate, up] = applier.project([gate, up], x);
                gelu_gate(gate, up)
            }
            (Some(wi), ..) => {
                let [inner] = applier.project([wi], x);
                activation::relu(inner)
            }
            _ => unreachable!("invariant: built with `wi`, or with `wi_0` and `wi_1`"),
        };
        let [output] = applier.project([&self.wo], inner);
        output
    }
}
