//! Tokens around a text.

use serde_json::{Map, Value as Json, json};

use super::Vocabulary;
use crate::error::GgufError;

const BEGIN: &str = "tokenizer.ggml.bos_token_id";
const END: &str = "tokenizer.ggml.eos_token_id";

/// Whether a begin-of-text and an end-of-text token are added to a text.
pub(super) struct Adds {
    pub begin: bool,
    pub end: bool,
}

impl Adds {
    /// What the file says; without a word, a begin-of-text token is added if that is `usual`, and none at the end.
    pub(super) fn take(vocabulary: &Vocabulary<'_>, usual: bool) -> Result<Self, GgufError> {
        let begin = vocabulary.flag("tokenizer.ggml.add_bos_token")?;
        let end = vocabulary.flag("tokenizer.ggml.add_eos_token")?;
        Ok(Self {
            begin: begin.unwrap_or(usual),
            end: end.unwrap_or(false),
        })
    }

    /// `post_processor` of `tokenizer.json`; null if nothing is added.
    pub(super) fn json(&self, vocabulary: &Vocabulary<'_>) -> Result<Json, GgufError> {
        if !(self.begin || self.end) {
            return Ok(Json::Null);
        }
        let named = |wanted: bool, key| match (wanted, vocabulary.special(key)?) {
            (false, _) => Ok(None),
            (true, None) => {
                Err(vocabulary.error(key, "it is missing, but is to be added to texts"))
            }
            (true, token) => Ok(token),
        };
        let (begin, end) = (named(self.begin, BEGIN)?, named(self.end, END)?);
        let part = |text: &str, type_id: u32| {
            let token = |(token, _): (&str, u32)| json!({"SpecialToken": {"id": token, "type_id": type_id}});
            let text = json!({"Sequence": {"id": text, "type_id": type_id}});
            let begin = begin.map(token).into_iter();
            begin
                .chain([text])
                .chain(end.map(token))
                .collect::<Vec<_>>()
        };
        let tokens = begin.into_iter().chain(end).map(|(token, id)| {
            let about = json!({"id": token, "ids": [id], "tokens": [token]});
            (token.to_string(), about)
        });
        let pair = [part("A", 0), part("B", 1)].concat();
        Ok(json!({
            "type": "TemplateProcessing",
            "single": part("A", 0),
            "pair": pair,
            "special_tokens": tokens.collect::<Map<_, _>>(),
        }))
    }
}
