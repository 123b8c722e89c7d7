//! What a pass over a LLaMA model stores.

use serde_json::Value;

use super::LlamaConfig;
use crate::model::{PassNumbers, TokenNumbers};

/// Counted from the operations of a block: its input, queries, keys, values and their rotated copies, what
/// attention gives, the input of the second norm, gate and up. Norms, the gate's product and attention's
/// probabilities are computed again.
pub(super) fn pass_numbers(config: &Value) -> Option<PassNumbers> {
    let config: LlamaConfig = serde_json::from_value(config.clone()).ok()?;
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let keys = config.key_value_heads() * config.head_width();
    let token = TokenNumbers {
        saved: config.num_hidden_layers * (6 * hidden + 2 * keys + 2 * inner),
        block_inputs: config.num_hidden_layers * hidden,
        inside_block: 3 * hidden + 3 * inner,
    };
    Some(PassNumbers {
        prompt: token,
        answer: token,
        heads: config.num_attention_heads,
        vocabulary: config.vocab_size,
    })
}
