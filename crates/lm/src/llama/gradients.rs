//! Derivatives of the loss, through all blocks at once or block by block.

use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};

use super::Llama;
use super::layout::Layout;
use crate::backpropagation::{Backpropagation, WayBack, of, trains};
use crate::projection::Projector;

/// What to read of the hidden states, and what should come out there.
pub(super) struct Targets {
    /// Rows of token ids.
    pub rows: Vec<Vec<u32>>,
    /// `(row, position, token)`: the logits at `position` should predict `token`.
    pub chosen: Vec<(usize, usize, u32)>,
}

impl Targets {
    /// What should come out.
    pub(super) fn tokens(&self) -> Vec<u32> {
        self.chosen.iter().map(|&(_, _, token)| token).collect()
    }

    /// The hidden states that predict.
    ///
    /// # Shapes
    /// - `hidden`: `[batch, tokens, hidden]`
    /// - output: `[targets, hidden]`
    pub(super) fn select(&self, hidden: Tensor<3>) -> Tensor<2> {
        let [batch, tokens, width] = hidden.dims();
        let place = |&(row, position, _): &(usize, usize, u32)| (row * tokens + position) as i32;
        let places: Vec<i32> = self.chosen.iter().map(place).collect();
        let places = TensorData::new(places, [self.chosen.len()]);
        let places = Tensor::<1, Int>::from_data(places, &hidden.device());
        hidden.reshape([batch * tokens, width]).select(0, places)
    }
}

impl Llama {
    /// The scaled loss, its derivatives taken through all blocks at once.
    pub(super) fn gradients(
        &self,
        targets: &Targets,
        how: Backpropagation<'_>,
        mut back: WayBack<'_, Self>,
    ) -> f64 {
        let mut projector = Projector::mapped(how.map);
        let hidden = self.hidden_right_padded(&targets.rows, &mut projector);
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
        let tokens = targets.rows.iter().map(Vec::len).max().unwrap_or(0);
        let layout = Layout::right_padded(tokens);

        // There, without a graph.
        let mut inputs = Vec::with_capacity(self.layers.len());
        let plain = self.valid();
        let tables = plain.tables(&layout);
        let mut x = plain.embed_right_padded(&targets.rows);
        for block in &plain.layers {
            inputs.push(x.clone());
            x = tables.through(block, x, None, &mut Projector::default());
        }
        drop(plain);

        // Back, as far down as something is trained.
        let x = back.leaf(x);
        let chosen = targets.select(self.norm.forward(x.clone()));
        let (loss, gradient) = self.through_head(&chosen, targets, how, &mut back);
        let mut gradient = of(&x, &mut back.through(chosen, gradient));
        let tables = self.tables(&layout);
        let embeds = trains(&self.embed_tokens);
        for (index, input) in inputs.into_iter().enumerate().rev() {
            let below = embeds || self.layers[..index].iter().any(trains);
            if !below && !trains(&self.layers[index]) {
                return loss;
            }
            let x = match below {
                true => back.leaf(input),
                false => back.constant(input),
            };
            let mut projector = Projector::mapped(how.map);
            let y = tables.through(&self.layers[index], x.clone(), None, &mut projector);
            let mut gradients = back.through(y, gradient);
            if !below {
                return loss;
            }
            gradient = of(&x, &mut gradients);
        }
        back.finish(self.embed_right_padded(&targets.rows), gradient);
        loss
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
            &targets.tokens(),
            &head,
            vocabulary,
            how.scale,
        )
    }
}
