//! A beginning that several rows share: it is read once.

use std::collections::HashMap;

use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};

use super::Decoder;
use super::layout::Layout;
use crate::layers::{LayerCache, LinearApplier};
use crate::model::TokenLosses;
use crate::ops;

/// What the model keeps of a beginning.
pub(super) struct Prefix {
    cache: Vec<LayerCache>,
    /// `[tokens, hidden]`
    hidden: Tensor<2>,
}

impl Prefix {
    /// Reads a beginning of at least one token.
    pub(super) fn read(model: &Decoder, tokens: &[u32]) -> Self {
        let mut cache = model.empty_cache();
        let layout = Layout::right_padded(tokens.len());
        let applier = &mut LinearApplier::default();
        let hidden = model.hidden(tokens.to_vec(), &layout, Some(&mut cache), applier);
        let [_, count, width] = hidden.dims();
        Self {
            cache,
            hidden: hidden.reshape([count, width]),
        }
    }

    /// The cache of `rows` rows that all begin with it.
    pub(super) fn cache_of(&self, rows: usize) -> Vec<LayerCache> {
        let of_first = vec![0; rows];
        let mut cache = self.cache.clone();
        for layer in &mut cache {
            layer.keep(&of_first);
        }
        cache
    }
}

/// The losses of all tokens of `prefix` and of the rows behind it; see
/// [`token_losses`](crate::LanguageModel::token_losses).
///
/// Nothing is predicted from the last token of a row: rows that differ in it alone, such as a question with its choices,
/// are read once.
pub(super) fn token_losses(model: &Decoder, prefix: &[u32], rows: &[Vec<u32>]) -> TokenLosses {
    // Without autodiff, since there is no backward pass.
    let model = model.valid();
    let read = (!prefix.is_empty()).then(|| Prefix::read(&model, prefix));
    let mut losses = TokenLosses::default();
    // Nothing is predicted within a prefix of one token, and no tensor is cut to no rows.
    if let Some(read) = read.as_ref().filter(|_| prefix.len() > 1) {
        let before = read.hidden.clone().narrow(0, 0, prefix.len() - 1);
        losses.prefix = losses_of(&model, before, &prefix[1..]);
    }
    let (inputs, input_of) = different(rows);
    let longest = inputs.iter().map(|input| input.len()).max().unwrap_or(0);
    // What predicts each token: the one before it, or the last of the prefix, which is put in front.
    let last = read
        .as_ref()
        .map(|read| read.hidden.clone().narrow(0, prefix.len() - 1, 1));
    let offset = usize::from(last.is_some());
    let behind = (longest > 0).then(|| hidden_behind(&model, read.as_ref(), &inputs, longest));
    let hidden: Vec<Tensor<2>> = last.into_iter().chain(behind).collect();
    let (mut places, mut targets, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
    for (row, input) in rows.iter().zip(&input_of) {
        let predicted = row.iter().enumerate().skip(1 - offset);
        lengths.push(predicted.len());
        for (place, &token) in predicted {
            places.push(match place {
                0 => 0,
                _ => (offset + input * longest + place - 1) as i32,
            });
            targets.push(token);
        }
    }
    let mut all = Vec::new();
    if !targets.is_empty() {
        let hidden = Tensor::cat(hidden, 0);
        let places = TensorData::new(places, [targets.len()]);
        let places = Tensor::<1, Int>::from_data(places, &hidden.device());
        all = losses_of(&model, hidden.select(0, places), &targets);
    }
    let mut all = all.into_iter();
    let of_row = |length| all.by_ref().take(length).collect();
    losses.rows = lengths.into_iter().map(of_row).collect();
    losses
}

/// The rows without their last tokens, each once, and for each row its place among them.
fn different(rows: &[Vec<u32>]) -> (Vec<&[u32]>, Vec<usize>) {
    let (mut inputs, mut places) = (Vec::new(), HashMap::new());
    let input_of = rows.iter().map(|row| {
        let input = &row[..row.len().saturating_sub(1)];
        *places.entry(input).or_insert_with(|| {
            inputs.push(input);
            inputs.len() - 1
        })
    });
    let input_of = input_of.collect();
    (inputs, input_of)
}

/// Hidden states of rows behind a beginning. Padding on the right is behind everything that a token sees.
///
/// # Shapes
/// - output: `[rows · longest, hidden]`
fn hidden_behind(
    model: &Decoder,
    read: Option<&Prefix>,
    rows: &[&[u32]],
    longest: usize,
) -> Tensor<2> {
    let (mut cache, past) = match read {
        Some(read) => (read.cache_of(rows.len()), read.hidden.dims()[0]),
        None => (model.empty_cache(), 0),
    };
    let layout = Layout::padded_behind(past, &[], past, longest);
    let padded = rows.iter().flat_map(|row| {
        let padding = std::iter::repeat_n(0, longest - row.len());
        row.iter().copied().chain(padding)
    });
    let applier = &mut LinearApplier::default();
    let hidden = model.hidden(padded.collect(), &layout, Some(&mut cache), applier);
    let [count, tokens, width] = hidden.dims();
    hidden.reshape([count * tokens, width])
}

/// Negative log-likelihoods of one token per hidden state, in nats.
///
/// # Shapes
/// - `hidden`: `[tokens, hidden]`
pub(super) fn losses_of(model: &Decoder, hidden: Tensor<2>, tokens: &[u32]) -> Vec<f32> {
    let apply = |hidden| model.head(hidden);
    let head = model.scaled_head(&apply, 1.0);
    let pieces = head.pieces(&hidden, tokens);
    let pieces = pieces.flat_map(|(part, tokens)| ops::token_losses(apply(part), tokens));
    pieces.collect()
}
