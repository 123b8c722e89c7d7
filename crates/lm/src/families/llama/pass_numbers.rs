//! What a pass over a LLaMA model stores.

use std::path::Path;

use serde_json::Value;

use super::LlamaConfig;
use crate::model::{PassNumbers, TokenNumbers};

/// Counted from the operations of a block. It saves the inputs of its norms, queries, keys, values, gate and
/// up; for layers that train also what the norms, attention and the gate give, which are their inputs.
/// Attention's probabilities are computed again.
pub(super) fn pass_numbers(config: &Value) -> Option<PassNumbers> {
    let config = LlamaConfig::from_json(config, Path::new("config.json")).ok()?;
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let keys = config.key_value_heads() * config.head_width();
    let queries = config.num_attention_heads * config.head_width();
    let token = TokenNumbers {
        saved: config.num_hidden_layers * (2 * hidden + queries + 2 * keys + 2 * inner),
        layer_inputs: config.num_hidden_layers * (2 * hidden + queries + inner),
        block_inputs: config.num_hidden_layers * hidden,
        inside_block: 3 * hidden + 3 * inner,
    };
    Some(PassNumbers {
        prompt: token,
        answer: token,
        blocks: config.num_hidden_layers,
        hidden,
        // Rotations have no parameters.
        saved_pair: 0,
        heads: config.num_attention_heads,
        vocabulary: config.vocab_size,
        cached: config.num_hidden_layers * 2 * keys,
        // Of queries, keys and values; of the output; of gate and up; of down.
        inputs: [hidden, queries, hidden, inner].repeat(config.num_hidden_layers),
    })
}
