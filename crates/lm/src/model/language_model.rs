//! What a trainer and an evaluator need from a language model of any family.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::generate::GenerationOptions;
use crate::layers::Observer;
use crate::text::Example;
use crate::training::{Backpropagation, GradientSink};

/// A language model that learns to answer prompts.
pub trait LanguageModel: Module {
    /// Number of an example's answer tokens that can be predicted: all of them, less the first one
    /// where there is nothing to predict it from.
    fn target_count(&self, example: &Example) -> usize;

    /// Summed negative log-likelihood of the answers given their prompts, in nats, and the number
    /// of answer tokens it is summed over.
    ///
    /// Rows are padded to the longest one; padding changes no result. After an empty prompt, a
    /// decoder-only model predicts the answer from its second token on, and an encoder-decoder reads
    /// the end of a text.
    ///
    /// # Shapes
    /// - output: `[1]`
    ///
    /// # Panics
    ///
    /// If no example has an answer token to predict.
    fn answer_loss(&self, examples: &[Example]) -> (Tensor<1>, usize);

    /// Forward and backward pass of [`answer_loss`](Self::answer_loss), scaled by
    /// [`Backpropagation::scale`]: returns the scaled loss, and hands gradients to the sink as they arise.
    ///
    /// The logits of a large vocabulary exist for a few rows at a time only. Activation checkpointing
    /// changes no result beyond rounding.
    ///
    /// # Panics
    ///
    /// As [`answer_loss`](Self::answer_loss), and if the model's device has no autodiff.
    fn answer_gradients(
        &self,
        examples: &[Example],
        how: Backpropagation<'_>,
        sink: &mut GradientSink<'_>,
    ) -> f64;

    /// Runs the model over examples and shows an observer what every linear layer of its blocks
    /// sees; padding is not shown.
    fn observe(&self, examples: &[Example], observer: &mut dyn Observer);

    /// Continues every prompt until a stop token or the limit; the stop token is not returned.
    ///
    /// # Panics
    ///
    /// If a prompt is empty and the model is decoder-only.
    fn generate(&self, prompts: &[Vec<u32>], options: &GenerationOptions) -> Vec<Vec<u32>>;

    /// Examples that the model makes up itself, one per first token: what it knows, as far as it can
    /// say so without data. The same seed gives the same examples.
    ///
    /// A decoder-only model continues the first token to `tokens` tokens, an encoder-decoder writes
    /// up to `tokens` tokens to it, and as many in answer to these. `ends` are the tokenizer's
    /// [`stop_tokens`](crate::TextTokenizer::stop_tokens): an encoder-decoder stops at any of them and ends
    /// its texts with the first; a decoder-only model continues over them.
    ///
    /// # References
    ///
    /// Liu et al., "LLM-QAT: Data-Free Quantization Aware Training for Large Language Models", 2023,
    /// section 2.1: greedy tokens first make a continuation one that the model knows how to go on
    /// with, and drawing the rest keeps it diverse.
    fn own_examples(&self, first: &[u32], tokens: usize, ends: &[u32], seed: u64) -> Vec<Example>;
}
