//! What a trainer and an evaluator need from a language model, whatever its family.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::{GenerationOptions, Observer};

/// One tokenized training row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Tokens the model is given; no loss is counted on them.
    pub prompt: Vec<u32>,
    /// Tokens the model must produce, end of text included where it fits.
    pub answer: Vec<u32>,
}

impl Example {
    /// Number of tokens, prompt and answer.
    pub fn len(&self) -> usize {
        self.prompt.len() + self.answer.len()
    }

    /// Number of answer tokens that can be predicted: all of them, less the first one where there is
    /// no prompt to predict it from.
    pub fn target_count(&self) -> usize {
        self.len() - self.prompt.len().max(1).min(self.len())
    }

    /// Whether there is no token at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A language model that learns to answer prompts.
pub trait LanguageModel: Module {
    /// Summed negative log-likelihood of the answers given their prompts, in nats, and the number
    /// of answer tokens it is summed over.
    ///
    /// Rows are padded to the longest one; padding changes no result. An empty prompt predicts its
    /// answer from the second token on.
    ///
    /// # Shapes
    /// - output: `[1]`
    ///
    /// # Panics
    ///
    /// If no example has an answer token to predict.
    fn answer_loss(&self, examples: &[Example]) -> (Tensor<1>, usize);

    /// Runs the model over examples and shows an observer what every linear layer of its blocks
    /// sees; padding is not shown.
    fn observe(&self, examples: &[Example], observer: &mut dyn Observer);

    /// Continues every prompt until a stop token or the limit; the stop token is not returned.
    ///
    /// # Panics
    ///
    /// If a prompt is empty.
    fn generate(&self, prompts: &[Vec<u32>], options: &GenerationOptions) -> Vec<Vec<u32>>;
}
