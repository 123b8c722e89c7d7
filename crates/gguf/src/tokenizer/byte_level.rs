//! Byte-level BPE: every byte has a character, and listed merges make tokens of them.

use serde_json::json;

use super::{Parts, Vocabulary, merges, pre_tokenizers};
use crate::error::GgufError;

/// The parts of `tokenizer.json`, and whether a begin-of-text token is added unless the file says otherwise.
pub(super) fn tokenizer(vocabulary: &Vocabulary<'_>) -> Result<(Parts, bool), GgufError> {
    let pre_tokenizer = pre_tokenizers::named(vocabulary)?;
    let Some(merges) = merges::listed(vocabulary)? else {
        return Err(vocabulary.error("tokenizer.ggml.merges", "it is missing"));
    };
    let parts = Parts {
        normalizer: pre_tokenizer.normalizer,
        pre_tokenizer: pre_tokenizer.json,
        decoder: json!({
            "type": "ByteLevel",
            "add_prefix_space": true,
            "trim_offsets": true,
            "use_regex": true,
        }),
        model: json!({
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": pre_tokenizer.ignores_merges,
            "vocab": vocabulary.json(|token, _| token.to_string()),
            "merges": merges,
        }),
    };
    Ok((parts, pre_tokenizer.adds_begin))
}
