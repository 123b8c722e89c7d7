//! Batched generation, with or without a cache of keys and values.

use burn::module::Module;

use super::Decoder;
use super::layout::Layout;
use super::prefix::Prefix;
use crate::generate::{Chooser, Decoding, GenerationOptions};
use crate::layers::{LayerCache, LinearApplier};
use crate::text::Example;

/// Continues `prefix` and each prompt, until `ended` says of a row's new tokens that they are complete.
pub(super) fn generate(
    model: &Decoder,
    prefix: &[u32],
    prompts: &[Vec<u32>],
    options: &GenerationOptions,
    ended: &mut dyn FnMut(usize, &[u32]) -> bool,
) -> Vec<Vec<u32>> {
    assert!(
        prompts.iter().all(|prompt| !prompt.is_empty()),
        "a prompt needs at least one token to continue from"
    );
    let mut outputs = vec![Vec::new(); prompts.len()];
    if prompts.is_empty() || options.max_new_tokens == 0 {
        return outputs;
    }
    // Without autodiff, since the graph would grow with every token.
    let model = model.valid();
    let mut chooser = Chooser::new(options);
    let mut batch = Rows::new(&model, prefix, prompts, options.use_cache);
    for _ in 0..options.max_new_tokens {
        let chosen = chooser.choose(batch.next_logits(&model));
        for (row, token) in chosen.into_iter().enumerate() {
            let output: &mut Vec<u32> = &mut outputs[batch.index[row]];
            if batch.open[row] {
                match options.stop_tokens.contains(&token) {
                    true => batch.open[row] = false,
                    false => {
                        output.push(token);
                        batch.open[row] = !ended(batch.index[row], output);
                    }
                }
            }
            batch.tokens[row].push(token);
        }
        if !batch.open.contains(&true) {
            break;
        }
        // Sampled rows share one random stream, in which a row that ended keeps its place.
        if options.decoding == Decoding::Greedy {
            batch.drop_ended();
        }
    }
    outputs
}

/// The rows of a batch that are continued.
struct Rows {
    /// Each row's tokens: prefix, padding, prompt, new tokens.
    tokens: Vec<Vec<u32>>,
    /// The prompt of each row.
    index: Vec<usize>,
    open: Vec<bool>,
    shared: usize,
    padding: Vec<usize>,
    /// What is cached of all rows, and the number of its tokens.
    cache: Option<Vec<LayerCache>>,
    past: usize,
}

impl Rows {
    fn new(model: &Decoder, prefix: &[u32], prompts: &[Vec<u32>], use_cache: bool) -> Self {
        let longest = prompts.iter().map(Vec::len).max().unwrap_or(0);
        let padding: Vec<usize> = prompts
            .iter()
            .map(|prompt| longest - prompt.len())
            .collect();
        let pairs = prompts.iter().zip(&padding);
        let tokens = pairs.map(|(prompt, &n)| [prefix, &vec![0; n], prompt].concat());
        let (cache, past) = match (use_cache, prefix.is_empty()) {
            (false, _) => (None, 0),
            (true, true) => (Some(model.empty_cache()), 0),
            (true, false) => {
                let read = Prefix::read(model, prefix);
                (Some(read.cache_of(prompts.len())), prefix.len())
            }
        };
        Self {
            tokens: tokens.collect(),
            index: (0..prompts.len()).collect(),
            open: vec![true; prompts.len()],
            shared: prefix.len(),
            padding,
            cache,
            past,
        }
    }

    /// # Shapes
    /// - output: `[rows, vocabulary]`
    fn next_logits(&mut self, model: &Decoder) -> burn::tensor::Tensor<2> {
        let (past, length) = (self.past, self.tokens[0].len());
        let layout = Layout::padded_behind(self.shared, &self.padding, past, length - past);
        let ids = self
            .tokens
            .iter()
            .flat_map(|row| row[past..].iter().copied());
        let hidden = model.hidden(
            ids.collect(),
            &layout,
            self.cache.as_mut(),
            &mut LinearApplier::default(),
        );
        if self.cache.is_some() {
            self.past = length;
        }
        let [batch, tokens, width] = hidden.dims();
        let last = hidden.narrow(1, tokens - 1, 1).reshape([batch, width]);
        model.head(last)
    }

    /// Drops the rows that ended, once they are half of the batch: to take the others out of the cache has its price.
    fn drop_ended(&mut self) {
        let kept: Vec<usize> = (0..self.open.len()).filter(|&row| self.open[row]).collect();
        if 2 * kept.len() > self.open.len() {
            return;
        }
        self.tokens = kept
            .iter()
            .map(|&row| std::mem::take(&mut self.tokens[row]))
            .collect();
        self.index = kept.iter().map(|&row| self.index[row]).collect();
        self.padding = kept.iter().map(|&row| self.padding[row]).collect();
        self.open = vec![true; kept.len()];
        for layer in self.cache.iter_mut().flatten() {
            layer.keep(&kept);
        }
    }
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
    let greedy = GREEDY_TOKENS.min(tokens.saturating_sub(1));
    let start = extended(model, &first, greedy, Decoding::Greedy);
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
    let continuations = generate(model, &[], prompts, &options, &mut |_, _| false);
    let pairs = prompts.iter().zip(continuations);
    pairs
        .map(|(prompt, text)| [prompt.as_slice(), &text].concat())
        .collect()
}
