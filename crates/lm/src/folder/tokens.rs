//! The tokens that end a text, and a check that the model has embeddings for all tokens.

use std::path::PathBuf;

use serde_json::Value;
use tokenizers::Tokenizer;

use super::HfFolder;
use crate::error::LmError;
use crate::files::{read_if_there, token_ids};
use crate::model::FolderFormat;
use crate::text::{Framing, TextTokenizer, read_tokenizer};

const TOKENIZER: &str = "tokenizer.json";
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
/// Files that may name the end token, by priority.
const END_TOKEN_FILES: [&str; 2] = [TOKENIZER_CONFIG, "special_tokens_map.json"];
/// Files that list the tokens which end a generated text.
const STOP_TOKEN_FILES: [&str; 2] = ["generation_config.json", "config.json"];

impl HfFolder {
    /// Ids of the tokens that end a generated text, from `generation_config.json` and `config.json`.
    ///
    /// # Errors
    ///
    /// [`LmError::Json`] or [`LmError::GitLfsPointer`] if one of these files exists but cannot be read.
    pub fn stop_tokens(&self) -> Result<Vec<u32>, LmError> {
        let mut stop_tokens = Vec::new();
        for file in STOP_TOKEN_FILES {
            add(&mut stop_tokens, &self.eos_token_ids(file)?);
        }
        Ok(stop_tokens)
    }

    /// Reads the folder's tokenizer.
    ///
    /// The end token of an answer is the first one that is found in this order: `eos_token` of
    /// `tokenizer_config.json`, `eos_token` of `special_tokens_map.json`, `eos_token_id` of `config.json`,
    /// `eos_token_id` of `generation_config.json`. If no file names one, the default of the model's class in
    /// transformers is used, with a warning. The end token and all tokens that `generation_config.json` and
    /// `config.json` list stop generation, and so does the token by which the chat template ends an answer: some base
    /// models come with a template whose token no file lists. Then a warning says so.
    ///
    /// # Errors
    ///
    /// [`LmError::MissingFile`] if there is no `tokenizer.json`; [`LmError::Tokenizer`], [`LmError::Json`]
    /// and [`LmError::GitLfsPointer`] if a file cannot be read; [`LmError::EndToken`] if the end token is not
    /// in the tokenizer or no file names one; [`LmError::TokenBeyondEmbeddings`] if the model has no
    /// embedding for a token of the vocabulary or one that ends a text. Of added tokens without one, a warning is given, and
    /// texts with them are refused.
    pub fn tokenizer(&self) -> Result<TextTokenizer, LmError> {
        let file = self.path.join(TOKENIZER);
        if !file.is_file() {
            return Err(LmError::MissingFile {
                folder: self.path.clone(),
                expected: TOKENIZER.to_string(),
            });
        }
        let tokenizer = read_tokenizer(&file)?;
        let highest = tokenizer.get_vocab(false).into_iter().max_by_key(|t| t.1);
        if let Some((token, id)) = highest {
            self.check_embedding(TOKENIZER, id, Some(token))?;
        }
        let (embeddings, beyond) = self.without_embedding(&tokenizer);
        // A folder of an unknown family gets the plain format: no model will read it.
        let format = self.format().unwrap_or(&FolderFormat::PLAIN);
        let (end, default_warning) = self.end_token(&tokenizer)?;
        self.check_embedding(TOKENIZER, end, tokenizer.id_to_token(end))?;
        let mut stop_tokens = vec![end];
        for file in STOP_TOKEN_FILES {
            let listed = self.eos_token_ids(file)?;
            for &id in &listed {
                self.check_embedding(file, id, tokenizer.id_to_token(id))?;
            }
            add(&mut stop_tokens, &listed);
        }
        let mut warnings: Vec<String> = default_warning.into_iter().collect();
        if let Some((id, token)) = self.turn_end(&tokenizer)
            && !stop_tokens.contains(&id)
            && self.check_embedding(TOKENIZER, id, None).is_ok()
        {
            warnings.push(format!(
                "the chat template ends an answer with {token:?}, which no file lists as the end of a generated text: \
                 here it ends one; other programs need it in eos_token_id of generation_config.json"
            ));
            stop_tokens.push(id);
        }
        let tokenizer = TextTokenizer::assemble(tokenizer, stop_tokens, format.framing)?;
        warnings.extend(self.frame_warnings(&tokenizer)?);
        if let Some(first) = beyond.first() {
            warnings.push(format!(
                "the model has no embedding for {} of the tokens that {TOKENIZER} adds, such as {first:?}: a text with \
                 one of them is refused",
                beyond.len()
            ));
        }
        let tokenizer = tokenizer.with_warnings(warnings);
        Ok(match beyond.is_empty() {
            true => tokenizer,
            false => tokenizer.with_embeddings(embeddings),
        })
    }

    /// The number of embeddings, and the added tokens beyond them: a model for text alone may come with the tokenizer of one
    /// that also reads images.
    fn without_embedding(&self, tokenizer: &Tokenizer) -> (u64, Vec<String>) {
        let embeddings = self.config["vocab_size"].as_u64().unwrap_or(u64::MAX);
        let added = tokenizer.get_added_tokens_decoder().into_iter();
        let mut beyond: Vec<(u32, String)> = added
            .filter(|(id, _)| u64::from(*id) >= embeddings)
            .map(|(id, token)| (id, token.content))
            .collect();
        beyond.sort();
        (
            embeddings,
            beyond.into_iter().map(|(_, token)| token).collect(),
        )
    }

    /// The token that ends an answer, and a warning if no file names it.
    fn end_token(&self, tokenizer: &Tokenizer) -> Result<(u32, Option<String>), LmError> {
        let refused = |path: PathBuf, reason| Err(LmError::EndToken { path, reason });
        for file in END_TOKEN_FILES {
            let Some(name) = self.eos_token(file)? else {
                continue;
            };
            return match tokenizer.token_to_id(&name) {
                Some(id) => Ok((id, None)),
                None => refused(
                    self.path.join(file),
                    format!("its eos_token is {name:?}, which is no token of {TOKENIZER}"),
                ),
            };
        }
        for file in ["config.json", "generation_config.json"] {
            let Some(&id) = self.eos_token_ids(file)?.first() else {
                continue;
            };
            self.check_embedding(file, id, tokenizer.id_to_token(id))?;
            return match tokenizer.id_to_token(id) {
                Some(_) => Ok((id, None)),
                None => refused(
                    self.path.join(file),
                    format!("its eos_token_id is {id}, which is no token of {TOKENIZER}"),
                ),
            };
        }
        let default = self.format().and_then(|format| format.default_end_token);
        let class = self.config["model_type"].as_str().unwrap_or_default();
        match default.and_then(|id| Some((id, tokenizer.id_to_token(id)?))) {
            Some((id, token)) => Ok((
                id,
                Some(format!(
                    "no file names the token that ends an answer (eos_token in {TOKENIZER_CONFIG}, \
                     eos_token_id in config.json): token {id} ({token:?}) is used, the default of \
                     {class}"
                )),
            )),
            None => refused(
                self.path.clone(),
                format!(
                    "no file names the token that ends an answer: eos_token in {TOKENIZER_CONFIG} or \
                     eos_token_id in config.json"
                ),
            ),
        }
    }

    /// Refuses a token that the model has no embedding for.
    fn check_embedding(&self, file: &str, id: u32, token: Option<String>) -> Result<(), LmError> {
        match self.config["vocab_size"].as_u64() {
            Some(embeddings) if u64::from(id) >= embeddings => {
                Err(LmError::TokenBeyondEmbeddings {
                    path: self.path.join(file),
                    id,
                    token,
                    embeddings,
                })
            }
            _ => Ok(()),
        }
    }

    /// `eos_token` of a file: a string, or an object that contains one.
    fn eos_token(&self, file: &str) -> Result<Option<String>, LmError> {
        let json = read_if_there(&self.path, file)?.unwrap_or_default();
        let name = match &json["eos_token"] {
            Value::Null => return Ok(None),
            Value::Object(token) => token.get("content").and_then(Value::as_str),
            other => other.as_str(),
        };
        match name {
            Some(name) => Ok(Some(name.to_string())),
            None => Err(LmError::Json {
                path: self.path.join(file),
                reason: "eos_token: expected a string, or an object with the string `content`"
                    .to_string(),
            }),
        }
    }

    /// `eos_token_id` of a file: a number or a list of numbers; empty if there is none.
    fn eos_token_ids(&self, file: &str) -> Result<Vec<u32>, LmError> {
        let json = match file {
            "config.json" => self.config.clone(),
            other => read_if_there(&self.path, other)?.unwrap_or_default(),
        };
        match &json["eos_token_id"] {
            Value::Null => Ok(Vec::new()),
            value => token_ids(value).ok_or_else(|| LmError::Json {
                path: self.path.join(file),
                reason: format!(
                    "eos_token_id: expected a token id or a list of them, found {value}"
                ),
            }),
        }
    }

    /// Warnings if other files of the folder suggest another frame than the tokenizer's.
    fn frame_warnings(&self, tokenizer: &TextTokenizer) -> Result<Vec<String>, LmError> {
        let frame = tokenizer.frame();
        let json = read_if_there(&self.path, TOKENIZER_CONFIG)?.unwrap_or_default();
        let sides = [
            ("add_bos_token", &frame.prefix, "in front of"),
            ("add_eos_token", &frame.suffix, "behind"),
        ];
        let mut warnings = Vec::new();
        for (key, added, side) in sides {
            match json[key].as_bool() {
                Some(true) if added.is_empty() => warnings.push(format!(
                    "{TOKENIZER_CONFIG} sets {key} to true, but {TOKENIZER} puts no token {side} a text: none \
                     is added, as in transformers 5"
                )),
                Some(false) if !added.is_empty() => warnings.push(format!(
                    "{TOKENIZER_CONFIG} sets {key} to false, but {TOKENIZER} puts a token {side} a text: it \
                     is added, as in transformers 5"
                )),
                _ => {}
            }
        }
        if tokenizer.framing() == Framing::TextToText && frame.suffix.is_empty() {
            warnings.push(format!(
                "{TOKENIZER} puts no token behind a text: answers are learned without an end"
            ));
        }
        Ok(warnings)
    }
}

/// Appends tokens that are not in the list yet.
fn add(tokens: &mut Vec<u32>, more: &[u32]) {
    for &token in more {
        if !tokens.contains(&token) {
            tokens.push(token);
        }
    }
}
