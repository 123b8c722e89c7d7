//! The tokens of a file, checked.

use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};

use crate::error::GgufError;
use crate::file::{Array, Gguf, Value};

const TOKENS: &str = "tokenizer.ggml.tokens";
const KINDS: &str = "tokenizer.ggml.token_type";
/// Longest token, in bytes; those in use have some hundreds. Merges are found in time that grows with the square.
const LONGEST: usize = 1024;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    /// Stands for text that no other token covers.
    Unknown,
    /// Never the token of a text's characters: begin, end, turns of a conversation.
    Control,
    /// Taken as a whole wherever its characters stand.
    UserDefined,
    /// Never used.
    Unused,
    /// A byte of text that no other token covers.
    Byte,
}

/// The tokens of a file.
pub(super) struct Vocabulary<'a> {
    pub file: &'a Gguf,
    /// `tokenizer.ggml.model`.
    pub model: &'a str,
    /// By their ids.
    pub tokens: Vec<&'a str>,
    pub kinds: Vec<Kind>,
    ids: HashMap<&'a str, u32>,
}

impl<'a> Vocabulary<'a> {
    pub(super) fn of(file: &'a Gguf) -> Result<Self, GgufError> {
        let refused = |key: &str, reason: String| GgufError::metadata(file.path(), key, reason);
        let Some(Value::Array(Array::Texts(texts))) = file.metadata(TOKENS) else {
            return Err(refused(TOKENS, "expected a list of texts".to_string()));
        };
        let Some(Value::Array(Array::Integers(kinds))) = file.metadata(KINDS) else {
            return Err(refused(
                KINDS,
                "expected a list of whole numbers".to_string(),
            ));
        };
        let kinds: Option<Vec<Kind>> = kinds.iter().map(Kind::of_code).collect();
        let kinds = kinds.ok_or_else(|| refused(KINDS, "expected numbers from 0 to 6".into()))?;
        if kinds.len() != texts.len() {
            let reason = format!("{} kinds of {} tokens", kinds.len(), texts.len());
            return Err(refused(KINDS, reason));
        }
        let mut vocabulary = Self {
            file,
            model: "",
            tokens: texts.iter().map(String::as_str).collect(),
            kinds,
            ids: HashMap::new(),
        };
        vocabulary.model = match vocabulary.text("tokenizer.ggml.model")? {
            Some(model) => model,
            None => return Err(refused("tokenizer.ggml.model", "it is missing".into())),
        };
        vocabulary.index()?;
        vocabulary.check_embeddings()?;
        Ok(vocabulary)
    }

    /// Gives every token its id, except for the names that the converter made up for ids without a token.
    fn index(&mut self) -> Result<(), GgufError> {
        for (id, token) in self.tokens.iter().enumerate() {
            if self.kinds[id] == Kind::Unused && *token == format!("[PAD{id}]") {
                continue;
            }
            if token.len() > LONGEST {
                let reason = format!("token {id} has {} bytes, more than {LONGEST}", token.len());
                return Err(self.error(TOKENS, reason));
            }
            let number = u32::try_from(id).map_err(|_| self.error(TOKENS, "too many tokens"))?;
            if let Some(first) = self.ids.insert(token, number) {
                let reason = format!("{token:?} has two ids, {first} and {id}");
                return Err(self.error(TOKENS, reason));
            }
        }
        Ok(())
    }

    fn check_embeddings(&self) -> Result<(), GgufError> {
        let embedding = self.file.tensor_info("token_embd.weight");
        let rows = embedding.and_then(|info| info.shape.first());
        match rows.filter(|rows| **rows < self.tokens.len()) {
            None => Ok(()),
            Some(rows) => {
                let reason = format!("{} tokens, but only {rows} embeddings", self.tokens.len());
                Err(self.error(TOKENS, reason))
            }
        }
    }

    /// The id of a token.
    pub(super) fn id(&self, token: &str) -> Option<u32> {
        self.ids.get(token).copied()
    }

    /// The tokens with ids, in their order.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (u32, &'a str, Kind)> {
        let all = self.tokens.iter().zip(&self.kinds);
        all.filter_map(|(token, kind)| Some((self.id(token)?, *token, *kind)))
    }

    /// The object from tokens to ids, with tokens spelled by `spelled`.
    pub(super) fn json(&self, spelled: impl Fn(&str, Kind) -> String) -> Json {
        let all = self.numbered();
        let all = all.map(|(id, token, kind)| (spelled(token, kind), json!(id)));
        Json::Object(all.collect::<Map<_, _>>())
    }

    /// The list of tokens that are found in a text before anything else is done with it.
    pub(super) fn added_tokens(&self) -> Json {
        let added = self.numbered().filter_map(|(id, content, kind)| {
            let special = match kind {
                Kind::Control | Kind::Unknown => true,
                // Runs of spaces of a vocabulary that writes spaces otherwise are made by merges.
                Kind::UserDefined if self.is_run_of_spaces(content) => return None,
                Kind::UserDefined => false,
                Kind::Normal | Kind::Unused | Kind::Byte => return None,
            };
            Some(json!({
                "id": id,
                "content": content,
                "single_word": false,
                "lstrip": false,
                "rstrip": self.strips_behind(content, kind),
                "normalized": false,
                "special": special,
            }))
        });
        Json::Array(added.collect())
    }

    /// Whether a token of a Gemma vocabulary stands for spaces alone. The converter wrote them as spaces, where the
    /// vocabulary has `▁`.
    pub(super) fn is_run_of_spaces(&self, token: &str) -> bool {
        self.is_gemma() && !token.is_empty() && token.bytes().all(|byte| byte == b' ')
    }

    /// Whether the vocabulary is Gemma's, whose order of merges and spaces differ from LLaMA's.
    pub(super) fn is_gemma(&self) -> bool {
        self.model == "llama" && self.architecture() == Some("gemma3")
    }

    /// Whether white space behind a special token belongs to it: in Phi-3's vocabulary, which the metadata do not
    /// say. llama.cpp knows it by the model's name.
    fn strips_behind(&self, token: &str, kind: Kind) -> bool {
        let is_phi = self.model == "llama" && self.architecture() == Some("phi3");
        is_phi && kind == Kind::Control && !["<s>", "<|endoftext|>"].contains(&token)
    }

    fn architecture(&self) -> Option<&str> {
        match self.file.metadata("general.architecture") {
            Some(Value::Text(name)) => Some(name),
            _ => None,
        }
    }

    /// A special token, by the key of its id; its text and id.
    pub(super) fn special(&self, key: &str) -> Result<Option<(&'a str, u32)>, GgufError> {
        let id = match self.file.metadata(key) {
            None => return Ok(None),
            Some(&Value::Unsigned(id)) => id,
            Some(other) => return Err(self.expected(key, "a token id", other)),
        };
        let token = usize::try_from(id).ok().and_then(|id| self.tokens.get(id));
        match token.and_then(|token| Some((*token, self.id(token)?))) {
            Some(token) => Ok(Some(token)),
            None => {
                let reason = format!("{id} is none of the {} tokens", self.tokens.len());
                Err(self.error(key, reason))
            }
        }
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, GgufError> {
        match self.file.metadata(key) {
            None => Ok(None),
            Some(&Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(self.expected(key, "a truth value", other)),
        }
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, GgufError> {
        match self.file.metadata(key) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(other) => Err(self.expected(key, "a text", other)),
        }
    }

    pub(super) fn texts(&self, key: &str) -> Result<Option<&'a [String]>, GgufError> {
        match self.file.metadata(key) {
            None => Ok(None),
            Some(Value::Array(Array::Texts(texts))) => Ok(Some(texts)),
            Some(other) => Err(self.expected(key, "a list of texts", other)),
        }
    }

    pub(super) fn error(&self, key: &str, reason: impl Into<String>) -> GgufError {
        GgufError::metadata(self.file.path(), key, reason)
    }

    fn expected(&self, key: &str, expected: &str, found: &Value) -> GgufError {
        self.error(key, format!("expected {expected}, found {}", found.kind()))
    }
}

impl Kind {
    /// The kind with a code; 0 stands for a kind that was not determined.
    fn of_code(code: i64) -> Option<Self> {
        match code {
            0 | 1 => Some(Self::Normal),
            2 => Some(Self::Unknown),
            3 => Some(Self::Control),
            4 => Some(Self::UserDefined),
            5 => Some(Self::Unused),
            6 => Some(Self::Byte),
            _ => None,
        }
    }
}
