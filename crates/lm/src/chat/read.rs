//! The chat template of a model folder.

use chrono::NaiveDate;
use serde_json::{Map, Value};

use super::template::ChatTemplate;
use crate::error::LmError;
use crate::files::{read_if_there, refuse_pointer};
use crate::folder::HfFolder;

/// The file with the template, which newer folders have.
const FILE: &str = "chat_template.jinja";
/// The file with the template in older folders.
const CONFIG: &str = "tokenizer_config.json";
/// Longest template that is read, in bytes; the longest ones in use have some twenty thousand.
const MOST_BYTES: u64 = 4 << 20;

impl HfFolder {
    /// The folder's chat template: `chat_template.jinja`, or else `chat_template` of `tokenizer_config.json`.
    /// `None` if it has none. `today` is the date that the template may write.
    ///
    /// # Errors
    ///
    /// [`LmError::Io`], [`LmError::Json`] and [`LmError::GitLfsPointer`] if a file cannot be read;
    /// [`LmError::ChatTemplate`] if the template has a mistake.
    pub fn chat_template(&self, today: NaiveDate) -> Result<Option<ChatTemplate>, LmError> {
        let config = read_if_there(self.path(), CONFIG)?.unwrap_or_default();
        let (path, source) = match self.template_file()? {
            Some(source) => (self.path().join(FILE), source),
            None => match self.template_of_config(&config)? {
                Some(source) => (self.path().join(CONFIG), source),
                None => return Ok(None),
            },
        };
        let tokens = special_tokens(&config);
        ChatTemplate::new(&source, &path, tokens, today).map(Some)
    }

    fn template_file(&self) -> Result<Option<String>, LmError> {
        let path = self.path().join(FILE);
        if !path.is_file() {
            return Ok(None);
        }
        refuse_pointer(&path)?;
        let refused = |reason: String| LmError::ChatTemplate {
            path: path.clone(),
            reason,
        };
        let bytes = std::fs::metadata(&path).map_err(LmError::io("read", &path))?;
        if bytes.len() > MOST_BYTES {
            return Err(refused(format!(
                "it has {} bytes; a chat template of more than {MOST_BYTES} is not read",
                bytes.len()
            )));
        }
        let bytes = std::fs::read(&path).map_err(LmError::io("read", &path))?;
        match String::from_utf8(bytes) {
            Ok(source) => Ok(Some(source)),
            Err(error) => Err(refused(format!("it is not UTF-8: {}", error.utf8_error()))),
        }
    }

    /// `chat_template` of the configuration: a text, or a list of named ones, of which `default` is taken.
    fn template_of_config(&self, config: &Value) -> Result<Option<String>, LmError> {
        let refused = |reason: &str| {
            Err(LmError::Json {
                path: self.path().join(CONFIG),
                reason: format!("chat_template: {reason}"),
            })
        };
        match &config["chat_template"] {
            Value::Null => Ok(None),
            Value::String(source) => Ok(Some(source.clone())),
            Value::Array(named) => {
                let default = named.iter().find(|entry| entry["name"] == "default");
                match default.and_then(|entry| entry["template"].as_str()) {
                    Some(source) => Ok(Some(source.to_string())),
                    None => refused("none of the listed templates is called default"),
                }
            }
            _ => refused("expected a text, or a list of named ones"),
        }
    }
}

/// The names of special tokens that a template may use, such as `bos_token`.
fn special_tokens(config: &Value) -> Map<String, Value> {
    let mut tokens = Map::new();
    for (name, value) in config.as_object().into_iter().flatten() {
        let text = match value {
            Value::Object(token) => token.get("content").and_then(Value::as_str),
            other => other.as_str(),
        };
        if let (true, Some(text)) = (name.ends_with("_token"), text) {
            tokens.insert(name.clone(), Value::from(text));
        }
    }
    tokens
}
