//! A beginning that several rows share: it is read once.

use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};

use super::Decoder;
use super::layout::Layout;
use crate::layers::{LayerCache, LinearApplier};
use crate::model::TokenLosses;
use crate::ops;

/// Number of logits that exist at a time.
const LOGITS: usize = 1 << 22;

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
pub(super) fn token_losses(model: &Decoder, prefix: &[u32], rows: &[Vec<u32>]) -> TokenLosses {
    // Without autodiff, since there is no backward pass.
    let model = model.valid();
    let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut losses = TokenLosses::default();
    let read = (!prefix.is_empty()).then(|| Prefix::read(&model, prefix));
    if let Some(read) = &read {
        let before = read.hidden.clone().narrow(0, 0, prefix.len() - 1);
        losses.prefix = losses_of(&model, before, &prefix[1..]);
    }
    if longest == 0 {
        losses.rows = vec![Vec::new(); rows.len()];
        return losses;
    }
    let (mut cache, past) = match &read {
        Some(read) => (read.cache_of(rows.len()), prefix.len()),
        None => (model.empty_cache(), 0),
    };
    // Padding on the right is behind everything that a token sees.
    let layout = Layout::padded_behind(past, &[], past, longest);
    let padded = rows.iter().flat_map(|row| {
        let padding = std::iter::repeat_n(0, longest - row.len());
        row.iter().copied().chain(padding)
    });
    let applier = &mut LinearApplier::default();
    let hidden = model.hidden(padded.collect(), &layout, Some(&mut cache), applier);
    let [count, tokens, width] = hidden.dims();
    let hidden = hidden.reshape([count * tokens, width]);
    // What predicts each token: the one before it, or the last of the prefix, which is put in front.
    let (hidden, offset) = match &read {
        Some(read) => {
            let last = read.hidden.clone().narrow(0, prefix.len() - 1, 1);
            (Tensor::cat(vec![last, hidden], 0), 1)
        }
        None => (hidden, 0),
    };
    let (mut places, mut targets, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
    for (row, tokens_of_row) in rows.iter().enumerate() {
        let predicted = tokens_of_row
            .iter()
            .enumerate()
            .skip(usize::from(read.is_none()));
        lengths.push(predicted.len());
        for (place, &token) in predicted {
            places.push(match place {
                0 => 0,
                _ => (offset + row * tokens + place - 1) as i32,
            });
            targets.push(token);
        }
    }
    if targets.is_empty() {
        losses.rows = vec![Vec::new(); rows.len()];
        return losses;
    }
    let places = TensorData::new(places, [targets.len()]);
    let places = Tensor::<1, Int>::from_data(places, &hidden.device());
    let mut all = losses_of(&model, hidden.select(0, places), &targets).into_iter();
    losses.rows = lengths
        .into_iter()
        .map(|length| all.by_ref().take(length).collect())
        .collect();
    losses
}

/// Negative log-likelihoods of one token per hidden state, in nats.
///
/// # Shapes
/// - `hidden`: `[tokens, hidden]`
fn losses_of(model: &Decoder, hidden: Tensor<2>, tokens: &[u32]) -> Vec<f32> {
    let few = (LOGITS / model.parts().vocabulary.max(1)).max(1);
    let pieces = tokens.chunks(few).enumerate();
    let pieces = pieces.flat_map(|(index, tokens)| {
        let part = hidden.clone().narrow(0, index * few, tokens.len());
        ops::token_losses(model.head(part), tokens)
    });
    pieces.collect()
}
