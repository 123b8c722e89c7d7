//! What a pass over a T5 model stores.

use std::path::Path;

use serde_json::Value;

use super::{Activation, T5Config};
use crate::model::{PassNumbers, TokenNumbers};

/// Counted from the operations of a block. It saves the inputs of its norms, queries, keys, values and the
/// feed-forward network's inner values; for layers that train also what norms and attention give, which are
/// their inputs. Attention's probabilities are computed again, unless the bias of the positions trains. Every decoder block has keys and values of the
/// prompt.
pub(super) fn pass_numbers(config: &Value) -> Option<PassNumbers> {
    let config = T5Config::from_json(config, Path::new("config.json")).ok()?;
    let (model, inner) = (config.d_model, config.d_ff);
    let attention = config.num_heads * config.d_kv;
    let decoders = config.num_decoder_layers.unwrap_or(config.num_layers);
    let feed_forward = match config.activation() {
        // What goes into the nonlinearity and what comes out.
        Activation::Relu => 2 * inner,
        // Gate and up, and what the operations of GELU save.
        Activation::GatedGelu => 5 * inner,
    };
    // Of queries, keys and values; of the output; of the feed-forward network's two layers. A decoder block has
    // another attention, whose keys and values read the prompt.
    let mut inputs = [model, attention, model, inner].repeat(config.num_layers);
    inputs.extend([model, attention, model, model, attention, model, inner].repeat(decoders));
    Some(PassNumbers {
        prompt: TokenNumbers {
            saved: config.num_layers * (2 * model + 3 * attention + feed_forward)
                + decoders * 2 * attention,
            layer_inputs: config.num_layers * (2 * model + attention),
            block_inputs: config.num_layers * model,
            inside_block: 3 * model + feed_forward,
        },
        answer: TokenNumbers {
            saved: decoders * (3 * model + 4 * attention + feed_forward),
            layer_inputs: decoders * (3 * model + 2 * attention),
            block_inputs: decoders * model,
            inside_block: 3 * model + feed_forward,
        },
        blocks: config.num_layers.max(decoders),
        hidden: model,
        // Of the encoder: scores, exponentials and probabilities.
        saved_pair: config.num_layers * config.num_heads * 3,
        heads: config.num_heads,
        vocabulary: config.vocab_size,
        cached: decoders * 4 * attention,
        inputs,
    })
}
