//! What a pass over a T5 model stores.

use serde_json::Value;

use super::{Activation, T5Config};
use crate::model::{PassNumbers, TokenNumbers};

/// Counted from the operations of a block: the inputs of its norms, queries, keys, values and what attention
/// gives, and the feed-forward network's inner values. Norms and attention's probabilities are computed
/// again. Every decoder block has keys and values of the prompt.
pub(super) fn pass_numbers(config: &Value) -> Option<PassNumbers> {
    let config: T5Config = serde_json::from_value(config.clone()).ok()?;
    let (model, inner) = (config.d_model, config.d_ff);
    let attention = config.num_heads * config.d_kv;
    let decoders = config.num_decoder_layers.unwrap_or(config.num_layers);
    let feed_forward = match config.activation() {
        Activation::Relu => 2 * inner,
        Activation::GatedGelu => 5 * inner,
    };
    let encoder_block = 4 * model + 4 * attention + feed_forward;
    let decoder_block = 6 * model + 6 * attention + feed_forward;
    Some(PassNumbers {
        prompt: TokenNumbers {
            saved: config.num_layers * encoder_block + decoders * 2 * attention,
            block_inputs: config.num_layers * model,
            inside_block: 3 * model + feed_forward,
        },
        answer: TokenNumbers {
            saved: decoders * decoder_block,
            block_inputs: decoders * model,
            inside_block: 3 * model + feed_forward,
        },
        heads: config.num_heads,
        vocabulary: config.vocab_size,
    })
}
