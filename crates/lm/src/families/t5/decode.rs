//! Batched generation: encodes the prompts once and decodes the answers token by token.

use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};

use super::T5;
use crate::generate::{Chooser, Decoding, GenerationOptions};
use crate::layers::{BranchTargets, Branches, LayerCache, LinearApplier, inputs};
use crate::model::TokenLosses;
use crate::ops;
use crate::text::Example;

pub(super) fn generate(
    model: &T5,
    prompts: &[Vec<u32>],
    options: &GenerationOptions,
    ended: &mut dyn FnMut(usize, &[u32]) -> bool,
) -> Vec<Vec<u32>> {
    if prompts.is_empty() || options.max_new_tokens == 0 {
        return vec![Vec::new(); prompts.len()];
    }
    // Without autodiff, since the graph would grow with every token.
    let model = model.valid();
    let mut applier = LinearApplier::default();
    let prompts: Vec<Vec<u32>> = prompts.iter().map(|row| model.nonempty(row)).collect();
    let encoded = model.encode(&prompts, &mut applier);
    let mut chooser = Chooser::new(options);
    let mut cache = vec![LayerCache::default(); model.config().decoder_layers()];
    let mut rows = vec![vec![model.config().start_token()]; prompts.len()];
    let mut open = vec![true; prompts.len()];
    let mut outputs = vec![Vec::new(); prompts.len()];
    let mut past = 0;
    for _ in 0..options.max_new_tokens {
        let inputs: Vec<Vec<u32>> = rows.iter().map(|row| row[past..].to_vec()).collect();
        let layers = options.use_cache.then_some(&mut cache);
        let hidden = model.decode(&inputs, past, &encoded, layers, &mut applier);
        let [batch, tokens, width] = hidden.dims();
        let last = hidden.narrow(1, tokens - 1, 1).reshape([batch, width]);
        if options.use_cache {
            past += tokens;
        }
        for (index, token) in chooser.choose(model.head(last)).into_iter().enumerate() {
            open[index] &= !options.stop_tokens.contains(&token);
            if open[index] {
                outputs[index].push(token);
                open[index] = !ended(index, &outputs[index]);
            }
            rows[index].push(token);
        }
        if !open.contains(&true) {
            break;
        }
    }
    outputs
}

/// The losses of all tokens of the rows as answers to `prompt`; see
/// [`token_losses`](crate::LanguageModel::token_losses).
pub(super) fn token_losses(model: &T5, prompt: &[u32], rows: &[Vec<u32>]) -> TokenLosses {
    // Without autodiff, since there is no backward pass.
    let model = model.valid();
    let applier = &mut LinearApplier::default();
    let encoded = model.encode(&[model.nonempty(prompt)], applier);
    let losses = rows.iter().map(|row| {
        if row.is_empty() {
            return Vec::new();
        }
        let inputs = [&[model.config().start_token()], &row[..row.len() - 1]].concat();
        let hidden = model.decode(&[inputs], 0, &encoded, None, applier);
        let [_, tokens, width] = hidden.dims();
        ops::token_losses(model.head(hidden.reshape([tokens, width])), row)
    });
    TokenLosses {
        prefix: Vec::new(),
        rows: losses.collect(),
    }
}

/// The losses of the tokens of every continuation as an answer to `prefix` and each prompt; see
/// [`continuation_losses`](crate::LanguageModel::continuation_losses).
///
/// The encoder reads every prompt once. A row of the decoder is the start token and behind it all continuations, of which
/// none sees another.
pub(super) fn continuation_losses(
    model: &T5,
    prefix: &[u32],
    prompts: &[Vec<u32>],
    continuations: &[Vec<u32>],
) -> Vec<Vec<Vec<f32>>> {
    let mut row = vec![model.config().start_token()];
    row.extend(continuations.iter().flat_map(|answer| inputs(answer)));
    let targets = BranchTargets::new(prompts.len(), 1, row.len(), continuations);
    if targets.tokens.is_empty() {
        return targets.grouped(Vec::new());
    }
    // Without autodiff, since there is no backward pass.
    let model = model.valid();
    let applier = &mut LinearApplier::default();
    let whole = prompts.iter().map(|prompt| [prefix, prompt].concat());
    let whole: Vec<Vec<u32>> = whole.map(|prompt| model.nonempty(&prompt)).collect();
    let encoded = model.encode(&whole, applier);
    let branches = Branches::of(1, continuations);
    let rows = vec![row; prompts.len()];
    let hidden = model.decode_branching(&rows, &branches, &encoded, applier);
    let [batch, tokens, width] = hidden.dims();
    let columns = TensorData::new(targets.columns.clone(), [targets.columns.len()]);
    let columns = Tensor::<1, Int>::from_data(columns, &hidden.device());
    let hidden = hidden.reshape([batch * tokens, width]).select(0, columns);
    let apply = |hidden| model.head(hidden);
    let head = model.scaled_head(&apply, 1.0);
    let pieces = head.pieces(&hidden, &targets.tokens);
    let losses = pieces.flat_map(|(part, tokens)| ops::token_losses(apply(part), tokens));
    targets.grouped(losses.collect())
}

/// Prompts that the model generates from one first token each, with its own answers to them; see
/// [`own_examples`](crate::LanguageModel::own_examples).
pub(super) fn own_examples(
    model: &T5,
    first: &[u32],
    tokens: usize,
    ends: &[u32],
    seed: u64,
) -> Vec<Example> {
    let beginnings: Vec<Vec<u32>> = first.iter().map(|&token| vec![token]).collect();
    answered(model, &beginnings, |_| &[], tokens, ends, seed)
}

/// Beginnings with what the model adds to them, and its own answers; see
/// [`continued_examples`](crate::LanguageModel::continued_examples).
pub(super) fn continued_examples(
    model: &T5,
    beginnings: &[Vec<u32>],
    tokens: usize,
    ends: &[u32],
    seed: u64,
) -> Vec<Example> {
    answered(model, beginnings, Vec::as_slice, tokens, ends, seed)
}

/// Texts that the model generates from beginnings, behind the part of them that is `kept`, with its answers.
fn answered(
    model: &T5,
    beginnings: &[Vec<u32>],
    kept: impl Fn(&Vec<u32>) -> &[u32],
    tokens: usize,
    ends: &[u32],
    seed: u64,
) -> Vec<Example> {
    let end = ends.first().copied();
    let end = end.unwrap_or_else(|| model.config().end_token());
    let ended = |text: &[u32]| [text, &[end]].concat();
    let sampled = |seed| GenerationOptions {
        decoding: Decoding::Sample {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            seed,
        },
        // At least one token, since an empty text gives nothing to measure.
        min_new_tokens: 1,
        ..GenerationOptions::greedy(tokens.max(1), ends.to_vec())
    };
    let starts: Vec<Vec<u32>> = beginnings.iter().map(|start| ended(start)).collect();
    let texts = generate(model, &starts, &sampled(seed), &mut |_, _| false);
    let whole = beginnings
        .iter()
        .zip(texts)
        .map(|(beginning, text)| ended(&[kept(beginning), &text].concat()));
    let prompts: Vec<Vec<u32>> = whole.collect();
    // Another random stream: with the same one, texts and answers would be sampled alike.
    let answers = generate(model, &prompts, &sampled(seed ^ 1 << 63), &mut |_, _| false);
    let pairs = prompts.into_iter().zip(answers);
    pairs
        .map(|(prompt, answer)| Example::new(prompt, ended(&answer)))
        .collect()
}
