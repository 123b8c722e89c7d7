//! Which tokens end a text, and whether the model has embeddings for all of them.

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
/// Files that may name the end token, in the order in which they are believed.
const NAMING: [&str; 2] = [TOKENIZER_CONFIG, "special_tokens_map.json"];
/// Files that list what ends a generated text.
const LISTING: [&str; 2] = ["generation_config.json", "config.json"];

impl HfFolder {
    /// Tokens that end what is generated, as `generation_config.json` and `config.json` list them.
    ///
    /// # Errors
    ///
    /// [`LmError::Json`] if one of the files is there but cannot be read.
    pub fn stop_tokens(&self) -> Result<Vec<u32>, LmError> {
        let mut stop_tokens = Vec::new();
        for file in LISTING {
            add(&mut stop_tokens, &self.listed(file)?);
        }
        Ok(stop_tokens)
    }

    /// The folder's tokenizer.
    ///
    /// The end token of an answer is the first one named by `eos_token` of `tokenizer_config.json`, then of
    /// `special_tokens_map.json`, then by `eos_token_id` of `config.json`, then of
    /// `generation_config.json`. If none names one, it is the default of the model's class in
    /// transformers, with a warning. That token and all that `generation_config.json` and `config.json`
    /// list stop generation.
    ///
    /// # Errors
    ///
    /// [`LmError::MissingFile`] without a `tokenizer.json`, [`LmError::Tokenizer`] and [`LmError::Json`]
    /// if files cannot be read, [`LmError::EndToken`] if no token of the tokenizer ends an answer,
    /// [`LmError::TokenBeyondEmbeddings`] if a token has no embedding in the model.
    pub fn tokenizer(&self) -> Result<TextTokenizer, LmError> {
        let file = self.path.join(TOKENIZER);
        if !file.is_file() {
            return Err(LmError::MissingFile {
                folder: self.path.clone(),
                expected: TOKENIZER.to_string(),
            });
        }
        let tokenizer = read_tokenizer(&file)?;
        let highest = tokenizer.get_vocab(true).into_iter().max_by_key(|t| t.1);
        if let Some((token, id)) = highest {
            self.embedded(TOKENIZER, id, Some(token))?;
        }
        // Without a family, there is no model that reads it otherwise.
        let format = self.format().unwrap_or(&FolderFormat::PLAIN);
        let (end, unnamed) = self.end_token(&tokenizer)?;
        let mut stop_tokens = vec![end];
        for file in LISTING {
            let listed = self.listed(file)?;
            for &id in &listed {
                self.embedded(file, id, tokenizer.id_to_token(id))?;
            }
            add(&mut stop_tokens, &listed);
        }
        let tokenizer = TextTokenizer::assemble(tokenizer, stop_tokens, format.framing)?;
        let mut warnings: Vec<String> = unnamed.into_iter().collect();
        warnings.extend(self.frame_warnings(&tokenizer)?);
        Ok(tokenizer.warned(warnings))
    }

    /// The token that ends an answer, and a warning if no file names it.
    fn end_token(&self, tokenizer: &Tokenizer) -> Result<(u32, Option<String>), LmError> {
        let refused = |path: PathBuf, reason| Err(LmError::EndToken { path, reason });
        for file in NAMING {
            let Some(name) = self.named(file)? else {
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
            let Some(&id) = self.listed(file)?.first() else {
                continue;
            };
            self.embedded(file, id, tokenizer.id_to_token(id))?;
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
    fn embedded(&self, file: &str, id: u32, token: Option<String>) -> Result<(), LmError> {
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

    /// `eos_token` of a file: a string, or an object that holds one.
    fn named(&self, file: &str) -> Result<Option<String>, LmError> {
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
    fn listed(&self, file: &str) -> Result<Vec<u32>, LmError> {
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

    /// Warnings where other files of the folder promise another frame than the tokenizer's.
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

/// Appends what is not there yet.
fn add(tokens: &mut Vec<u32>, more: &[u32]) {
    for &token in more {
        if !tokens.contains(&token) {
            tokens.push(token);
        }
    }
}
