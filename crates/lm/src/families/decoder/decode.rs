//! Batched generation, with or without a cache of keys and values.

use burn::module::Module;

use super::Decoder;
use super::layout::Layout;
use crate::generate::{Chooser, Decoding, GenerationOptions};
use crate::layers::{LayerCache, LinearApplier};
use crate::text::Example;

pub(super) fn generate(
    model: &Decoder,
    prompts: &[Vec<u32>],
    options: &GenerationOptions,
) -> Vec<Vec<u32>> {
    assert!(
        prompts.iter().all(|prompt| !prompt.is_empty()),
        "a prompt needs at least one token to continue from"
    );
    if prompts.is_empty() || options.max_new_tokens == 0 {
        return vec![Vec::new(); prompts.len()];
    }
    // Without autodiff, since the graph would grow with every token.
    let model = model.valid();
    let longest = prompts.iter().map(Vec::len).max().unwrap_or(0);
    let padding: Vec<usize> = prompts
        .iter()
        .map(|prompt| longest - prompt.len())
        .collect();
    let mut rows: Vec<Vec<u32>> = prompts
        .iter()
        .zip(&padding)
        .map(|(prompt, &n)| [vec![0; n], prompt.clone()].concat())
        .collect();
    let mut chooser = Chooser::new(options);
    let mut cache = vec![LayerCache::default(); model.parts().layers.len()];
    let mut open = vec![true; prompts.len()];
    let mut outputs = vec![Vec::new(); prompts.len()];
    let mut past = 0;
    for _ in 0..options.max_new_tokens {
        let length = rows[0].len();
        let layout = Layout::left_padded(&padding, past, length - past);
        let ids = rows.iter().flat_map(|row| row[past..].iter().copied());
        let layers = options.use_cache.then_some(&mut cache);
        let hidden = model.hidden(
            ids.collect(),
            &layout,
            layers,
            &mut LinearApplier::default(),
        );
        let [batch, tokens, width] = hidden.dims();
        let last = hidden.narrow(1, tokens - 1, 1).reshape([batch, width]);
        let chosen = chooser.choose(model.head(last));
        for (index, token) in chosen.into_iter().enumerate() {
            if open[index] && options.stop_tokens.contains(&token) {
                open[index] = false;
            }
            if open[index] {
                outputs[index].push(token);
            }
            rows[index].push(token);
        }
        if !open.contains(&true) {
            break;
        }
        if options.use_cache {
            past = length;
        }
    }
    outputs
}

/// Number of tokens that are decoded greedily after the first one, before the rest is sampled.
const GREEDY_TOKENS: usize = 4;

/// Texts that the model generates from one first token each; see
/// [`own_examples`](crate::LanguageModel::own_examples).
pub(super) fn own_examples(
    model: &Decoder,
    first: &[u32],
    tokens: usize,
    seed: u64,
) -> Vec<Example> {
    let first: Vec<Vec<u32>> = first.iter().map(|&token| vec![token]).collect();
    let start = extended(model, &first, GREEDY_TOKENS.min(tokens), Decoding::Greedy);
    let sampled = Decoding::Sample {
        temperature: 1.0,
        top_k: 0,
        top_p: 1.0,
        seed,
    };
    let rest = tokens.saturating_sub(GREEDY_TOKENS + 1);
    let texts = extended(model, &start, rest, sampled).into_iter();
    let example = |answer| Example::new(Vec::new(), answer);
    texts.map(example).collect()
}

/// Prompts with their continuations. Generation does not stop at the end of a text.
fn extended(
    model: &Decoder,
    prompts: &[Vec<u32>],
    tokens: usize,
    decoding: Decoding,
) -> Vec<Vec<u32>> {
    let options = GenerationOptions {
        decoding,
        ..GenerationOptions::greedy(tokens, Vec::new())
    };
    let continuations = generate(model, prompts, &options);
    let pairs = prompts.iter().zip(continuations);
    pairs
        .map(|(prompt, text)| [prompt.as_slice(), &text].concat())
        .collect()
}
