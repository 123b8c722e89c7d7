//! Activation checkpointing: forward and backward pass block by block.

use burn::module::Module;

use super::Decoder;
use super::batch::Batch;
use crate::layers::LinearApplier;
use crate::training::{Backpropagation, BackwardPass, Head, gradient_of, trains};

impl Decoder {
    /// Runs the forward and the backward pass and returns the scaled loss. Only the input of each block is
    /// saved.
    pub(super) fn gradients_by_block(
        &self,
        batch: &Batch,
        head: &Head<'_>,
        how: Backpropagation<'_>,
        mut backward: BackwardPass<'_, Self>,
    ) -> f64 {
        let Batch {
            rows,
            layout,
            targets,
        } = batch;

        // The forward pass has no graph.
        let mut inputs = Vec::with_capacity(self.layers.len());
        let plain = self.valid();
        let tables = plain.tables(layout);
        let mut applier = LinearApplier::default().with_precision(how.precision);
        let mut x = plain.embed_right_padded(rows);
        for (layer, block) in plain.blocks() {
            inputs.push(x.clone());
            x = tables.apply(layer, block, x, None, &mut applier);
        }
        drop(plain);

        // The backward pass ends at the lowest block that is trained.
        let x = backward.leaf(x);
        let chosen = targets.select(self.final_norm(x.clone()));
        let (loss, gradient) = backward.through_head(&chosen, targets, head);
        let mut gradient = gradient_of(&x, &mut backward.through(chosen, gradient));
        let tables = self.tables(layout);
        let embeds = trains(&self.embed_tokens);
        let bottom = self.layers.iter().position(trains);
        for (index, input) in inputs.into_iter().enumerate().rev() {
            let below = embeds || bottom.is_some_and(|bottom| bottom < index);
            if !below && bottom != Some(index) {
                return loss;
            }
            let x = match below {
                true => backward.leaf(input),
                false => backward.constant(input),
            };
            let mut applier = LinearApplier::mapped(how.map).with_precision(how.precision);
            let (layer, block) = (&self.parts.layers[index], &self.layers[index]);
            let y = tables.apply(layer, block, x.clone(), None, &mut applier);
            let mut gradients = backward.through(y, gradient);
            if !below {
                return loss;
            }
            gradient = gradient_of(&x, &mut gradients);
        }
        backward.finish(self.embed_right_padded(rows), gradient);
        loss
    }
}
