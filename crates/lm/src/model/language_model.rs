//! The interface of language models of all families, for training and evaluation.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::generate::{Decoding, GenerationOptions};
use crate::layers::{LinearMap, Observer, Unmapped};
use crate::text::Example;
use crate::training::{Backpropagation, GradientSink};

/// Negative log-likelihoods of tokens, in nats.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TokenLosses {
    /// Those of a prefix, from its second token on.
    pub prefix: Vec<f32>,
    /// Those of the rows behind it; from the second token on if the prefix is empty and the model is decoder-only.
    pub rows: Vec<Vec<f32>>,
}

/// A language model that learns to answer prompts.
pub trait LanguageModel: Module {
    /// Number of an example's answer tokens that can be predicted: those that count in the loss, without the
    /// first one if nothing precedes it.
    fn target_count(&self, example: &Example) -> usize;

    /// Whether [`answer_gradients`](Self::answer_gradients) can pack rows.
    fn can_pack(&self) -> bool {
        false
    }

    /// Summed negative log-likelihood of the answers given their prompts, in nats, and the number of answer
    /// tokens in the sum.
    ///
    /// Rows are padded to the longest one; padding changes no result. After an empty prompt, a decoder-only
    /// model predicts the answer from its second token on, and an encoder-decoder model reads the end token
    /// as its prompt.
    ///
    /// # Shapes
    /// - output: `[1]`
    ///
    /// # Panics
    ///
    /// If no example has an answer token to predict.
    fn answer_loss(&self, examples: &[Example]) -> (Tensor<1>, usize);

    /// Logarithms of the probabilities with which every token could stand in place of each answer token, in nats.
    /// The answer tokens are those of [`answer_loss`](Self::answer_loss), row after row.
    ///
    /// # Shapes
    /// - output: `[answer tokens, vocabulary]`
    ///
    /// # Panics
    ///
    /// If no example has an answer token to predict.
    fn answer_log_probabilities(&self, examples: &[Example]) -> Tensor<2> {
        self.answer_log_probabilities_mapped(examples, &Unmapped)
    }

    /// As [`answer_log_probabilities`](Self::answer_log_probabilities), where `map` multiplies by the weights.
    ///
    /// # Shapes
    /// - output: `[answer tokens, vocabulary]`
    ///
    /// # Panics
    ///
    /// If no example has an answer token to predict.
    fn answer_log_probabilities_mapped(
        &self,
        examples: &[Example],
        map: &dyn LinearMap,
    ) -> Tensor<2>;

    /// Runs the forward and the backward pass of [`answer_loss`](Self::answer_loss), scaled by
    /// [`Backpropagation::scale`]. Returns the scaled loss and passes gradients to the sink as they become
    /// available.
    ///
    /// The logits of a large vocabulary only exist for a few rows at a time. Activation checkpointing changes
    /// no result beyond rounding.
    ///
    /// # Panics
    ///
    /// If no example has an answer token to predict, or if the model's device has no autodiff.
    fn answer_gradients(
        &self,
        examples: &[Example],
        how: Backpropagation<'_>,
        sink: &mut GradientSink<'_>,
    ) -> f64;

    /// Runs the model over examples and shows an observer the inputs and outputs of every linear layer in its
    /// blocks, without padding.
    fn observe(&self, examples: &[Example], observer: &mut dyn Observer);

    /// Continues every prompt until a stop token or the limit of new tokens. The stop token is not returned.
    ///
    /// # Panics
    ///
    /// If a prompt is empty and the model is decoder-only.
    fn generate(&self, prompts: &[Vec<u32>], options: &GenerationOptions) -> Vec<Vec<u32>> {
        self.generate_behind(&[], prompts, options, &mut |_, _| false)
    }

    /// Continues `prefix` followed by each prompt, as [`generate`](Self::generate) continues prompts; the prefix is read
    /// once. A row also ends when `ended` says so of its index and its new tokens, the last of which stays.
    ///
    /// # Panics
    ///
    /// If a prompt is empty and the model is decoder-only.
    fn generate_behind(
        &self,
        prefix: &[u32],
        prompts: &[Vec<u32>],
        options: &GenerationOptions,
        ended: &mut dyn FnMut(usize, &[u32]) -> bool,
    ) -> Vec<Vec<u32>>;

    /// Negative log-likelihoods in nats of every token of each row behind `prefix`, which is read once, and of the tokens
    /// of the prefix.
    ///
    /// A decoder-only model predicts every token from all those before it, and the first one of all not at all. An
    /// encoder-decoder model reads the prefix as its prompt and each row as an answer; it has no losses of the prefix.
    fn token_losses(&self, prefix: &[u32], rows: &[Vec<u32>]) -> TokenLosses;

    /// Negative log-likelihoods in nats of every token of each of `continuations` behind `prefix` and each of `prompts`, by
    /// prompt and continuation. Networks that can read a prompt once for all of its continuations.
    ///
    /// # Panics
    ///
    /// If a prompt is empty and the model is decoder-only.
    fn continuation_losses(
        &self,
        prefix: &[u32],
        prompts: &[Vec<u32>],
        continuations: &[Vec<u32>],
    ) -> Vec<Vec<Vec<f32>>> {
        let behind = |prompt: &Vec<u32>| {
            let prompt = [prefix, prompt].concat();
            self.token_losses(&prompt, continuations).rows
        };
        prompts.iter().map(behind).collect()
    }

    /// Examples that the model generates itself, one per first token. They represent the model's knowledge
    /// without any data. The same seed gives the same examples.
    ///
    /// A decoder-only model continues the first token to `tokens` tokens. An encoder-decoder model answers it
    /// with up to `tokens` tokens, which are the prompt, and answers the prompt with as many. `ends` are the
    /// tokenizer's [`stop_tokens`](crate::TextTokenizer::stop_tokens): an encoder-decoder model stops at any
    /// of them and ends its texts with the first one; a decoder-only model continues after them.
    ///
    /// # References
    ///
    /// Liu et al., "LLM-QAT: Data-Free Quantization Aware Training for Large Language Models", 2023, section
    /// 2.1: decoding the first tokens greedily gives a beginning that the model is certain about, and
    /// sampling the rest keeps the examples diverse.
    fn own_examples(&self, first: &[u32], tokens: usize, ends: &[u32], seed: u64) -> Vec<Example>;

    /// Examples that begin as real texts do and that the model continues, one per beginning, which must not be
    /// empty. The same seed gives the same examples.
    ///
    /// A decoder-only model continues every beginning to `tokens` tokens in all, sampled at temperature 1. An
    /// encoder-decoder model adds up to as many tokens, answers that text as in
    /// [`own_examples`](Self::own_examples), and ends both in the same way.
    fn continued_examples(
        &self,
        beginnings: &[Vec<u32>],
        tokens: usize,
        _ends: &[u32],
        seed: u64,
    ) -> Vec<Example> {
        let sampled = Decoding::Sample {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            seed,
        };
        let shortest = beginnings.iter().map(Vec::len).min().unwrap_or(0);
        let options = GenerationOptions {
            decoding: sampled,
            ..GenerationOptions::greedy(tokens.saturating_sub(shortest), Vec::new())
        };
        let continuations = self.generate(beginnings, &options);
        let pairs = beginnings.iter().zip(continuations);
        let texts = pairs.map(|(beginning, continuation)| {
            let mut text = [beginning.as_slice(), &continuation].concat();
            text.truncate(tokens.max(1));
            Example::new(Vec::new(), text)
        });
        texts.collect()
    }
}
