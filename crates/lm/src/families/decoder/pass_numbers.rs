//! What a pass over a decoder stores.

use super::parts::{DecoderParts, NormPlaces};
use crate::model::{PassNumbers, TokenNumbers};

/// Counted from the operations of a block. It saves the inputs of its norms, queries, keys, values, gate and
/// up; for layers that train also what the norms, attention and the gate give, which are their inputs.
/// Attention's probabilities are computed again.
pub(crate) fn pass_numbers(parts: &DecoderParts) -> PassNumbers {
    let (attention, layers) = (&parts.attention, parts.layers.len());
    let (hidden, inner) = (parts.hidden, parts.feed_forward.inner);
    let (queries, keys) = (attention.queries(), attention.keys());
    let norms = match parts.norm.places {
        NormPlaces::Before | NormPlaces::After => 2,
        NormPlaces::Both => 4,
    };
    // Norms of queries and keys save these once more, before they are rotated.
    let normed = attention.head_norm.map_or(0, |_| queries + keys);
    let token = TokenNumbers {
        saved: layers * (norms * hidden + normed + queries + 2 * keys + 2 * inner),
        layer_inputs: layers * (2 * hidden + queries + inner),
        block_inputs: layers * hidden,
        inside_block: 3 * hidden + 3 * inner,
    };
    PassNumbers {
        prompt: token,
        answer: token,
        blocks: layers,
        hidden,
        // Rotations have no parameters.
        saved_pair: 0,
        heads: attention.heads,
        vocabulary: parts.vocabulary,
        cached: layers * 2 * keys,
        // Of queries, keys and values; of the output; of gate and up; of down.
        inputs: [hidden, queries, hidden, inner].repeat(layers),
    }
}
