//! `tokenizer_config.json` and `generation_config.json`: special tokens by name, chat templates, ends of a text.

use serde_json::{Map, Value as Json, json};

use super::post_processor::Adds;
use super::{Kind, Vocabulary};
use crate::error::GgufError;

const TEMPLATE: &str = "tokenizer.chat_template";
/// Names of further chat templates; each is the value of the key `tokenizer.chat_template.NAME`.
const TEMPLATES: &str = "tokenizer.chat_templates";
/// Keys of `tokenizer_config.json` with those of the ids in GGUF.
const SPECIAL: [(&str, &str); 4] = [
    ("bos_token", "tokenizer.ggml.bos_token_id"),
    ("eos_token", "tokenizer.ggml.eos_token_id"),
    ("unk_token", "tokenizer.ggml.unknown_token_id"),
    ("pad_token", "tokenizer.ggml.padding_token_id"),
];
/// Ids of tokens that end a generated text.
const ENDS: [&str; 3] = [
    "tokenizer.ggml.eos_token_id",
    "tokenizer.ggml.eot_token_id",
    "tokenizer.ggml.eom_token_id",
];
/// Control tokens that end a turn of a conversation. Few files name theirs by id; llama.cpp finds it by its text.
const TURN_ENDS: [&str; 4] = ["<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>"];

/// `tokenizer_config.json`.
pub(super) fn tokenizer_config(
    vocabulary: &Vocabulary<'_>,
    adds: &Adds,
) -> Result<Json, GgufError> {
    let mut config = Map::new();
    let mut set = |key: &str, value: Json| {
        config.insert(key.to_string(), value);
    };
    set("tokenizer_class", json!("PreTrainedTokenizerFast"));
    set("add_bos_token", json!(adds.begin));
    set("add_eos_token", json!(adds.end));
    for (key, id) in SPECIAL {
        let token = vocabulary.special(id)?.map(|(token, _)| token);
        set(key, json!(token));
    }
    set("clean_up_tokenization_spaces", json!(false));
    set("chat_template", chat_template(vocabulary)?);
    Ok(Json::Object(config))
}

/// A text, or a list of named ones if there are several; null if there is none.
fn chat_template(vocabulary: &Vocabulary<'_>) -> Result<Json, GgufError> {
    let default = vocabulary.text(TEMPLATE)?;
    let names = vocabulary.texts(TEMPLATES)?.unwrap_or_default();
    if names.is_empty() {
        return Ok(json!(default));
    }
    let entry = |name: &str, template: &str| json!({"name": name, "template": template});
    let mut list: Vec<Json> = default.iter().map(|text| entry("default", text)).collect();
    for name in names {
        let key = format!("{TEMPLATE}.{name}");
        let Some(template) = vocabulary.text(&key)? else {
            return Err(vocabulary.error(&key, format!("it is missing, but {TEMPLATES} names it")));
        };
        list.push(entry(name, template));
    }
    Ok(Json::Array(list))
}

/// `generation_config.json`.
pub(super) fn generation_config(vocabulary: &Vocabulary<'_>) -> Result<Json, GgufError> {
    let id = |key| Ok(vocabulary.special(key)?.map(|(_, id)| id));
    let mut ends: Vec<u32> = Vec::new();
    let named = ENDS.map(&id).into_iter().collect::<Result<Vec<_>, _>>()?;
    let turn = TURN_ENDS.into_iter().find_map(|token| {
        let id = vocabulary.id(token)?;
        (vocabulary.kinds[id as usize] == Kind::Control).then_some(id)
    });
    for end in named.into_iter().chain([turn]).flatten() {
        if !ends.contains(&end) {
            ends.push(end);
        }
    }
    let ends = match ends.as_slice() {
        [] => Json::Null,
        [end] => json!(end),
        several => json!(several),
    };
    let begin = id("tokenizer.ggml.bos_token_id")?;
    let padding = id("tokenizer.ggml.padding_token_id")?;
    let all = [
        ("bos_token_id", json!(begin)),
        ("eos_token_id", ends),
        ("pad_token_id", json!(padding)),
    ];
    let present = all.into_iter().filter(|(_, value)| !value.is_null());
    Ok(Json::Object(
        present
            .map(|(key, value)| (key.to_string(), value))
            .collect(),
    ))
}
