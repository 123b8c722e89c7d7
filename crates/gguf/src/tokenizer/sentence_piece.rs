//! SentencePiece's BPE: characters, spaces as `▁`, and merges that follow from scores.

use serde_json::{Value as Json, json};

use super::{Kind, Parts, Vocabulary, merges};
use crate::error::GgufError;

/// What stands for a space.
const SPACE: &str = "\u{2581}";

/// The parts of `tokenizer.json`, and that a begin-of-text token is added unless the file says otherwise.
pub(super) fn tokenizer(vocabulary: &Vocabulary<'_>) -> Result<(Parts, bool), GgufError> {
    let flag = "tokenizer.ggml.remove_extra_whitespaces";
    if vocabulary.flag(flag)? == Some(true) {
        let path = vocabulary.file.path();
        return Err(GgufError::unsupported(path, flag, "true", "false"));
    }
    let prefix = vocabulary.flag("tokenizer.ggml.add_space_prefix")?;
    let prefix = prefix.unwrap_or(true);
    let spelled = |token: &str, kind: Kind| match kind {
        Kind::UserDefined if vocabulary.is_run_of_spaces(token) => token.replace(' ', SPACE),
        _ => token.to_string(),
    };
    let merges = match merges::listed(vocabulary)? {
        Some(merges) => merges,
        None => {
            let all = vocabulary.numbered();
            let all: Vec<_> = all
                .map(|(id, token, kind)| (id, spelled(token, kind), kind))
                .collect();
            merges::of_scores(vocabulary, &all)?
        }
    };
    let parts = Parts {
        normalizer: normalizer(prefix),
        pre_tokenizer: Json::Null,
        decoder: decoder(prefix),
        model: json!({
            "type": "BPE",
            "dropout": null,
            "unk_token": unknown(vocabulary)?,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": true,
            "byte_fallback": vocabulary.kinds.contains(&Kind::Byte),
            "ignore_merges": false,
            "vocab": vocabulary.json(spelled),
            "merges": merges,
        }),
    };
    Ok((parts, true))
}

/// The token for what no other token covers.
fn unknown<'a>(vocabulary: &Vocabulary<'a>) -> Result<Option<&'a str>, GgufError> {
    let named = vocabulary.special("tokenizer.ggml.unknown_token_id")?;
    let first = || vocabulary.numbered().find(|token| token.2 == Kind::Unknown);
    Ok(named
        .map(|named| named.0)
        .or_else(|| first().map(|token| token.1)))
}

fn normalizer(prefix: bool) -> Json {
    let spaces = json!({"type": "Replace", "pattern": {"String": " "}, "content": SPACE});
    match prefix {
        false => spaces,
        true => json!({
            "type": "Sequence",
            "normalizers": [{"type": "Prepend", "prepend": SPACE}, spaces],
        }),
    }
}

fn decoder(prefix: bool) -> Json {
    let mut steps = vec![
        json!({"type": "Replace", "pattern": {"String": SPACE}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if prefix {
        steps.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    json!({"type": "Sequence", "decoders": steps})
}
