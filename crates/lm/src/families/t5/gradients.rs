//! Activation checkpointing: forward and backward pass block by block.

use burn::module::Module;
use burn::tensor::Tensor;

use super::T5;
use super::rows::{Rows, padding_of};
use crate::layers::LinearApplier;
use crate::ops::MixedPrecision;
use crate::training::{Backpropagation, BackwardPass, Head, Targets, gradient_of};

/// Activations that the forward pass saves.
struct Saved {
    /// Inputs of the encoder's blocks, and the input of its final norm.
    encoder: (Vec<Tensor<3>>, Tensor<3>),
    encoder_bias: Tensor<4>,
    /// The encoder's output.
    states: Tensor<3>,
    /// Inputs of the decoder's blocks, and the input of its final norm.
    decoder: (Vec<Tensor<3>>, Tensor<3>),
    decoder_bias: Tensor<4>,
}

impl T5 {
    /// Runs the forward and the backward pass and returns the scaled loss. Only the input of each block is
    /// saved.
    pub(super) fn gradients_by_block(
        &self,
        rows: &Rows,
        targets: &Targets,
        head: &Head<'_>,
        how: Backpropagation<'_>,
        mut backward: BackwardPass<'_, Self>,
    ) -> f64 {
        let Saved {
            encoder: (encoder_inputs, encoder_last),
            encoder_bias,
            states,
            decoder: (decoder_inputs, decoder_last),
            decoder_bias,
        } = self.valid().saved(rows, how.precision);
        let mut applier = LinearApplier::mapped(how.map).with_precision(how.precision);

        let x = backward.leaf(decoder_last);
        let chosen = targets.select(self.decoder.final_layer_norm.forward(x.clone()));
        let (loss, gradient) = backward.through_head(&chosen, targets, head);
        let mut gradient = gradient_of(&x, &mut backward.through(chosen, gradient));

        let states = backward.leaf(states);
        let bias = backward.leaf(decoder_bias);
        let mask = padding_of(&rows.prompts, &self.device());
        let mut states_gradient = Sum::default();
        let mut bias_gradient = Sum::default();
        for (block, input) in self.decoder.block.iter().zip(decoder_inputs).rev() {
            let x = backward.leaf(input);
            let memory = block.memory(states.clone(), &mut applier);
            let y = block.forward(x.clone(), &bias, &memory, mask.as_ref(), None, &mut applier);
            let mut gradients = backward.through(y, gradient);
            gradient = gradient_of(&x, &mut gradients);
            states_gradient.add(gradient_of(&states, &mut gradients));
            bias_gradient.add(gradient_of(&bias, &mut gradients));
        }
        backward.finish(self.embed(&rows.answers), gradient);
        if let Some(gradient) = bias_gradient.0 {
            let tokens = bias.dims()[2];
            backward.finish(self.decoder.bias(0, tokens, &self.device()), gradient);
        }

        let Some(gradient) = states_gradient.0 else {
            return loss;
        };
        let x = backward.leaf(encoder_last);
        let normed = self.encoder.final_layer_norm.forward(x.clone());
        let mut gradient = gradient_of(&x, &mut backward.through(normed, gradient));
        let bias = backward.leaf(encoder_bias);
        let mut bias_gradient = Sum::default();
        for (block, input) in self.encoder.block.iter().zip(encoder_inputs).rev() {
            let x = backward.leaf(input);
            let y = block.forward(x.clone(), &bias, &mut applier);
            let mut gradients = backward.through(y, gradient);
            gradient = gradient_of(&x, &mut gradients);
            bias_gradient.add(gradient_of(&bias, &mut gradients));
        }
        backward.finish(self.embed(&rows.prompts), gradient);
        if let Some(gradient) = bias_gradient.0 {
            let tokens = bias.dims()[2];
            backward.finish(self.encoder.bias(tokens, mask.as_ref()), gradient);
        }
        loss
    }

    /// Runs the forward pass on a model without autodiff and saves the activations.
    fn saved(&self, rows: &Rows, precision: MixedPrecision) -> Saved {
        let mut applier = LinearApplier::default().with_precision(precision);
        let device = self.device();
        let mut x = self.embed(&rows.prompts);
        let mask = padding_of(&rows.prompts, &device);
        let encoder_bias = self.encoder.bias(x.dims()[1], mask.as_ref());
        let mut encoder = Vec::with_capacity(self.encoder.block.len());
        for block in &self.encoder.block {
            encoder.push(x.clone());
            x = block.forward(x, &encoder_bias, &mut applier);
        }
        let states = self.encoder.final_layer_norm.forward(x.clone());
        let encoder = (encoder, x);

        let mut x = self.embed(&rows.answers);
        let decoder_bias = self.decoder.bias(0, x.dims()[1], &device);
        let mut decoder = Vec::with_capacity(self.decoder.block.len());
        for block in &self.decoder.block {
            decoder.push(x.clone());
            let memory = block.memory(states.clone(), &mut applier);
            let mask = mask.as_ref();
            x = block.forward(x, &decoder_bias, &memory, mask, None, &mut applier);
        }
        Saved {
            encoder,
            encoder_bias,
            states,
            decoder: (decoder, x),
            decoder_bias,
        }
    }
}

/// A sum of gradients from several blocks.
#[derive(Default)]
struct Sum<const D: usize>(Option<Tensor<D>>);

impl<const D: usize> Sum<D> {
    fn add(&mut self, gradient: Tensor<D>) {
        self.0 = Some(match self.0.take() {
            Some(sum) => sum + gradient,
            None => gradient,
        });
    }
}
