//! The network of the family: one block of LLaMA's.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use lm::llama::LlamaShape;
use lm::{
    Backpropagation, Decoder, Example, GenerationOptions, GradientSink, LanguageModel, LinearMap,
    LmError, Observer, Pretrained, TokenLosses,
};
use serde::Deserialize;

#[derive(Module, Debug)]
pub struct Tiny {
    decoder: Decoder,
}

/// Keys of its `config.json`.
#[derive(Deserialize)]
pub struct Config {
    width: usize,
    vocab_size: usize,
}

impl Tiny {
    pub fn new(config: &Config, path: &Path, device: &Device) -> Result<Self, LmError> {
        let shape = LlamaShape {
            hidden: config.width,
            inner: 2 * config.width,
            layers: 1,
            heads: 2,
            key_heads: 2,
            vocabulary: config.vocab_size,
            tied: false,
        };
        Ok(Self {
            decoder: Decoder::from_config(&shape.config(), path, device)?,
        })
    }
}

impl LanguageModel for Tiny {
    fn target_count(&self, example: &Example) -> usize {
        self.decoder.target_count(example)
    }

    fn answer_loss(&self, examples: &[Example]) -> (Tensor<1>, usize) {
        self.decoder.answer_loss(examples)
    }

    fn answer_log_probabilities_mapped(
        &self,
        examples: &[Example],
        map: &dyn LinearMap,
    ) -> Tensor<2> {
        self.decoder.answer_log_probabilities_mapped(examples, map)
    }

    fn answer_gradients(
        &self,
        examples: &[Example],
        how: Backpropagation<'_>,
        sink: &mut GradientSink<'_>,
    ) -> f64 {
        self.decoder.answer_gradients(examples, how, sink)
    }

    fn observe(&self, examples: &[Example], observer: &mut dyn Observer) {
        self.decoder.observe(examples, observer);
    }

    fn generate_behind(
        &self,
        prefix: &[u32],
        prompts: &[Vec<u32>],
        options: &GenerationOptions,
        ended: &mut dyn FnMut(usize, &[u32]) -> bool,
    ) -> Vec<Vec<u32>> {
        self.decoder
            .generate_behind(prefix, prompts, options, ended)
    }

    fn token_losses(&self, prefix: &[u32], rows: &[Vec<u32>]) -> TokenLosses {
        self.decoder.token_losses(prefix, rows)
    }

    fn own_examples(&self, first: &[u32], tokens: usize, ends: &[u32], seed: u64) -> Vec<Example> {
        self.decoder.own_examples(first, tokens, ends, seed)
    }
}
