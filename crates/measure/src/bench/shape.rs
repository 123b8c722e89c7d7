//! Models of published shapes with random weights, and rows for them.

use std::path::Path;

use anyhow::Result;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use lm::llama::LlamaShape;
use lm::{Example, Model, Pretrained, size_named};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::Shape;

/// Tokens per row.
const LENGTH: usize = 128;
/// Tokens of an encoder-decoder's answer, in addition to the prompt.
const ANSWER: usize = 16;

fn config(shape: Shape) -> Value {
    let llama = |hidden, inner, layers, heads, key_heads, vocabulary, tied| {
        let shape = LlamaShape {
            hidden,
            inner,
            layers,
            heads,
            key_heads,
            vocabulary,
            tied,
        };
        shape.config()
    };
    match shape {
        Shape::LlamaS => llama(256, 704, 4, 4, 4, 4096, false),
        Shape::Llama { width, blocks } => {
            let inner = (width * 8 / 3).next_multiple_of(64);
            llama(width, inner, blocks, width / 64, width / 64, 1024, false)
        }
        Shape::LlamaM => llama(576, 1536, 30, 9, 3, 49152, true),
        Shape::Llama1b => llama(2048, 5632, 22, 32, 4, 32000, false),
        Shape::Llama7bBlock => {
            let mut config = published("llama-2-7b-chat-hf");
            config["num_hidden_layers"] = 1.into();
            config["vocab_size"] = 1024.into();
            config
        }
        Shape::T5Small => published("t5-small"),
    }
}

fn published(name: &str) -> Value {
    size_named(name).map_or(Value::Null, |size| size.config.clone())
}

/// A model of that shape.
///
/// # Errors
///
/// Only if the configuration is inconsistent.
pub fn model(shape: Shape, device: &Device) -> Result<Model> {
    device.seed(1);
    let model = Model::from_config(&config(shape), Path::new(&shape.to_string()), device)?;
    model.visit(&mut Fill);
    Ok(model)
}

/// Burn initializes a parameter on first access; this visits all parameters, so that no
/// initialization is timed.
struct Fill;

impl ModuleVisitor for Fill {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        param.val();
    }
}

/// Width and vocabulary of a shape's head.
pub fn head(shape: Shape) -> (usize, usize) {
    let config = config(shape);
    let number = |key: &str| config[key].as_u64().map(|number| number as usize);
    let width = number("hidden_size").or(number("d_model"));
    (width.unwrap_or(1), number("vocab_size").unwrap_or(1))
}

/// Rounds tokens up to whole rows; a step processes this number.
pub fn whole_rows(tokens: usize) -> usize {
    tokens.next_multiple_of(LENGTH)
}

/// The number of tokens that a weight processes in a step of [`rows`]. A decoder's weights process
/// the answers, except for cross-attention, which projects the encoder's output.
pub fn tokens_of(shape: Shape, tokens: usize, path: &str) -> usize {
    let rows = tokens.div_ceil(LENGTH);
    let of_encoder = path.ends_with("EncDecAttention.k.weight")
        || path.ends_with("EncDecAttention.v.weight")
        || !path.starts_with("decoder.");
    match (shape, of_encoder) {
        (Shape::T5Small, false) => rows * ANSWER,
        _ => rows * LENGTH,
    }
}

/// Rows of one step, with `tokens` tokens of a decoder-only model or of an encoder.
pub fn rows(shape: Shape, tokens: usize, seed: u64) -> Vec<Example> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let vocabulary = config(shape)["vocab_size"].as_u64().unwrap_or(2) as u32;
    let mut draw = |count: usize| -> Vec<u32> {
        (0..count)
            .map(|_| random.random_range(2..vocabulary))
            .collect()
    };
    (0..tokens.div_ceil(LENGTH))
        .map(|_| match shape {
            Shape::T5Small => Example::new(draw(LENGTH), draw(ANSWER)),
            _ => Example::new(Vec::new(), draw(LENGTH)),
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn large_shapes_have_the_parameters_of_the_models_they_are_named_for() {
        // The hub's count for TinyLlama-1.1B; that of LLaMA-2-7B less 31 of its 32 equal blocks, of four matrices of
        // 4096², three of 4096 x 11008 and two norms, and less two embeddings of 32000 - 1024 tokens.
        let block = 4 * 4096 * 4096 + 3 * 4096 * 11008 + 2 * 4096;
        let one_block = 6_738_415_616 - 31 * block - 2 * 4096 * (32_000 - 1024);
        for (shape, expected) in [("llama-1b", 1_100_048_384), ("llama-7b-block", one_block)] {
            let shape: Shape = shape.parse().unwrap();
            // Uninitialized: nothing of that size is allocated.
            let path = Path::new("config.json");
            let model = Model::from_config(&config(shape), path, &Device::flex()).unwrap();
            assert_eq!(model.num_params(), expected, "{shape}");
        }
    }

    #[test]
    fn a_width_that_no_model_has_is_refused() {
        for text in [
            "llama-6917529027641081856x1",
            "llama-64x0",
            "llama-64x4000",
            "llama-100x1",
        ] {
            let error = text.parse::<Shape>().unwrap_err();
            assert!(error.contains("multiple of 64"), "{error}");
        }
        assert!("llama-128x2".parse::<Shape>().is_ok());
    }

    #[test]
    fn token_counts_match_the_rows_of_a_step() {
        for (requested, expected) in [(128, 128), (129, 256), (500, 512), (512, 512)] {
            assert_eq!(whole_rows(requested), expected);
            let llama = rows(Shape::LlamaS, requested, 1);
            assert_eq!(llama.iter().map(Example::len).sum::<usize>(), expected);
            assert_eq!(
                tokens_of(Shape::LlamaS, requested, "layers.0.mlp"),
                expected
            );
            // An encoder-decoder: prompts with `tokens` tokens, each with an answer of sixteen
            // tokens.
            let t5 = rows(Shape::T5Small, requested, 1);
            let prompts = t5.iter().map(|row| row.prompt.len());
            assert_eq!(prompts.sum::<usize>(), expected);
            let answers = t5.iter().map(|row| row.answer.len()).sum::<usize>();
            assert_eq!(answers, expected / 8);
            assert_eq!(tokens_of(Shape::T5Small, requested, "encoder.q"), expected);
            assert_eq!(tokens_of(Shape::T5Small, requested, "decoder.q"), answers);
        }
    }
}
