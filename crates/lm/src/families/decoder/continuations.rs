//! Several continuations of every prompt: a prompt is read once for all of them.

use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};

use super::Decoder;
use super::layout::Layout;
use super::prefix::{Prefix, losses_of};
use crate::layers::{BranchTargets, Branches, LinearApplier, inputs};

/// The losses of the tokens of every continuation behind `prefix` and each prompt; see
/// [`continuation_losses`](crate::LanguageModel::continuation_losses).
///
/// A row is a prompt and behind it all continuations, of which none sees another. Prompts are padded on the left, so that
/// their continuations have the same columns.
pub(super) fn continuation_losses(
    model: &Decoder,
    prefix: &[u32],
    prompts: &[Vec<u32>],
    continuations: &[Vec<u32>],
) -> Vec<Vec<Vec<f32>>> {
    assert!(
        prompts.iter().all(|prompt| !prompt.is_empty()),
        "a prompt needs at least one token to continue from"
    );
    let longest = prompts.iter().map(Vec::len).max().unwrap_or(0);
    let behind: Vec<u32> = continuations
        .iter()
        .flat_map(|continuation| inputs(continuation).iter().copied())
        .collect();
    let tokens = longest + behind.len();
    let targets = BranchTargets::new(prompts.len(), longest, tokens, continuations);
    if targets.tokens.is_empty() {
        return targets.grouped(Vec::new());
    }
    // Without autodiff, since there is no backward pass.
    let model = model.valid();
    let mut cache = (!prefix.is_empty())
        .then(|| Prefix::read(&model, prefix))
        .map(|read| read.cache_of(prompts.len()));
    let padding: Vec<usize> = prompts.iter().map(|row| longest - row.len()).collect();
    let layout = Layout::padded_behind(prefix.len(), &padding, prefix.len(), tokens)
        .branching(Branches::of(prefix.len() + longest, continuations));
    let rows = prompts.iter().zip(&padding).flat_map(|(prompt, &padding)| {
        let padding = std::iter::repeat_n(0, padding);
        padding.chain(prompt.iter().chain(&behind).copied())
    });
    let applier = &mut LinearApplier::default();
    let hidden = model.hidden(rows.collect(), &layout, cache.as_mut(), applier);
    let [rows, _, width] = hidden.dims();
    let columns = TensorData::new(targets.columns.clone(), [targets.columns.len()]);
    let columns = Tensor::<1, Int>::from_data(columns, &hidden.device());
    let hidden = hidden.reshape([rows * tokens, width]).select(0, columns);
    let losses = losses_of(&model, hidden, &targets.tokens);
    targets.grouped(losses)
}
