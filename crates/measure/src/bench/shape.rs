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
        Shape::T5Small => size_named("t5-small").map_or(Value::Null, |size| size.config.clone()),
    }
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
            Shape::LlamaS | Shape::LlamaM | Shape::Llama { .. } => {
                Example::new(Vec::new(), draw(LENGTH))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
