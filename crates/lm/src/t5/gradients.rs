//! Derivatives of the loss, through all blocks at once or block by block.

use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};

use super::T5;
use super::network::padding_of;
use crate::backpropagation::{Backpropagation, WayBack, of};
use crate::padding::places;
use crate::projection::Projector;

/// What is read, and what should come out.
pub(super) struct Targets {
    /// Rows of the encoder.
    pub prompts: Vec<Vec<u32>>,
    /// Rows of the decoder.
    pub answers: Vec<Vec<u32>>,
    /// Tokens to predict of each row.
    pub lengths: Vec<usize>,
    /// The tokens to predict, row after row.
    pub tokens: Vec<u32>,
}

impl Targets {
    /// The hidden states that predict.
    ///
    /// # Shapes
    /// - `hidden`: `[batch, tokens, d_model]`
    /// - output: `[targets, d_model]`
    pub(super) fn select(&self, hidden: Tensor<3>) -> Tensor<2> {
        let [batch, tokens, width] = hidden.dims();
        let real = TensorData::new(places(&self.lengths, tokens), [self.tokens.len()]);
        let real = Tensor::<1, Int>::from_data(real, &hidden.device());
        hidden.reshape([batch * tokens, width]).select(0, real)
    }
}

/// What went into the parts of the network.
struct Kept {
    /// Inputs of the encoder's blocks, and of its last norm.
    encoder: (Vec<Tensor<3>>, Tensor<3>),
    encoder_bias: Tensor<4>,
    /// The encoder's output.
    states: Tensor<3>,
    /// Inputs of the decoder's blocks, and of its last norm.
    decoder: (Vec<Tensor<3>>, Tensor<3>),
    decoder_bias: Tensor<4>,
}

impl T5 {
    /// The scaled loss, its derivatives taken through all blocks at once.
    pub(super) fn gradients(
        &self,
        targets: &Targets,
        how: Backpropagation<'_>,
        mut back: WayBack<'_, Self>,
    ) -> f64 {
        let hidden = self.answering(targets, &mut Projector::mapped(how.map));
        let chosen = targets.select(hidden);
        let (loss, gradient) = self.through_head(&chosen, targets, how, &mut back);
        back.finish(chosen, gradient);
        loss
    }

    /// The same, with nothing kept of a block but what goes into it.
    pub(super) fn gradients_by_block(
        &self,
        targets: &Targets,
        how: Backpropagation<'_>,
        mut back: WayBack<'_, Self>,
    ) -> f64 {
        let Kept {
            encoder: (encoder_inputs, encoder_last),
            encoder_bias,
            states,
            decoder: (decoder_inputs, decoder_last),
            decoder_bias,
        } = self.valid().kept(targets);
        let mut projector = Projector::mapped(how.map);

        let x = back.leaf(decoder_last);
        let chosen = targets.select(self.decoder.final_layer_norm.forward(x.clone()));
        let (loss, gradient) = self.through_head(&chosen, targets, how, &mut back);
        let mut gradient = of(&x, &mut back.through(chosen, gradient));

        let states = back.leaf(states);
        let bias = back.leaf(decoder_bias);
        let mask = padding_of(&targets.prompts, &self.device());
        let mut for_states = Sum::default();
        let mut for_bias = Sum::default();
        for (block, input) in self.decoder.block.iter().zip(decoder_inputs).rev() {
            let x = back.leaf(input);
            let memory = block.memory(states.clone(), &mut projector);
            let y = block.forward(
                x.clone(),
                &bias,
                &memory,
                mask.as_ref(),
                None,
                &mut projector,
            );
            let mut gradients = back.through(y, gradient);
            gradient = of(&x, &mut gradients);
            for_states.add(of(&states, &mut gradients));
            for_bias.add(of(&bias, &mut gradients));
        }
        back.finish(self.embed(&targets.answers), gradient);
        if let Some(gradient) = for_bias.0 {
            let tokens = bias.dims()[2];
            back.finish(self.decoder.bias(0, tokens, &self.device()), gradient);
        }

        let Some(gradient) = for_states.0 else {
            return loss;
        };
        let x = back.leaf(encoder_last);
        let normed = self.encoder.final_layer_norm.forward(x.clone());
        let mut gradient = of(&x, &mut back.through(normed, gradient));
        let bias = back.leaf(encoder_bias);
        let mut for_bias = Sum::default();
        for (block, input) in self.encoder.block.iter().zip(encoder_inputs).rev() {
            let x = back.leaf(input);
            let y = block.forward(x.clone(), &bias, &mut projector);
            let mut gradients = back.through(y, gradient);
            gradient = of(&x, &mut gradients);
            for_bias.add(of(&bias, &mut gradients));
        }
        back.finish(self.embed(&targets.prompts), gradient);
        if let Some(gradient) = for_bias.0 {
            let tokens = bias.dims()[2];
            back.finish(self.encoder.bias(tokens, mask.as_ref()), gradient);
        }
        loss
    }

    /// The way there, without a graph: of a model that does not differentiate.
    fn kept(&self, targets: &Targets) -> Kept {
        let mut projector = Projector::default();
        let device = self.device();
        let mut x = self.embed(&targets.prompts);
        let mask = padding_of(&targets.prompts, &device);
        let encoder_bias = self.encoder.bias(x.dims()[1], mask.as_ref());
        let mut encoder = Vec::with_capacity(self.encoder.block.len());
        for block in &self.encoder.block {
            encoder.push(x.clone());
            x = block.forward(x, &encoder_bias, &mut projector);
        }
        let states = self.encoder.final_layer_norm.forward(x.clone());
        let encoder = (encoder, x);

        let mut x = self.embed(&targets.answers);
        let decoder_bias = self.decoder.bias(0, x.dims()[1], &device);
        let mut decoder = Vec::with_capacity(self.decoder.block.len());
        for block in &self.decoder.block {
            decoder.push(x.clone());
            let memory = block.memory(states.clone(), &mut projector);
            let mask = mask.as_ref();
            x = block.forward(x, &decoder_bias, &memory, mask, None, &mut projector);
        }
        Kept {
            encoder,
            encoder_bias,
            states,
            decoder: (decoder, x),
            decoder_bias,
        }
    }

    fn through_head(
        &self,
        chosen: &Tensor<2>,
        targets: &Targets,
        how: Backpropagation<'_>,
        back: &mut WayBack<'_, Self>,
    ) -> (f64, Tensor<2>) {
        let head = |hidden| self.head(hidden);
        let vocabulary = self.config.vocab_size;
        back.through_targets(
            chosen.clone(),
            &targets.tokens,
            &head,
            vocabulary,
            how.scale,
        )
    }
}

/// A gradient to which several blocks contribute.
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
