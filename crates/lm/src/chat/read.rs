//! The chat template of a model folder.

use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use serde_json::{Map, Value};

use super::template::ChatTemplate;
use crate::error::LmError;
use crate::files::{read_if_there, refuse_pointer};
use crate::folder::HfFolder;

/// The file with the template, which newer folders have.
const FILE: &str = "chat_template.jinja";
/// The file with the template of conversations with tools, in folders that have one apart.
const TOOLS_FILE: &str = "additional_chat_templates/tool_use.jinja";
/// The name of that template in a list.
const TOOLS: &str = "tool_use";
/// The file with the template in older folders.
const CONFIG: &str = "tokenizer_config.json";
/// The file that names special tokens in older folders.
const SPECIAL_TOKENS: &str = "special_tokens_map.json";
/// Longest template that is read, in bytes; the longest ones in use have some twenty thousand.
const MOST_BYTES: u64 = 4 << 20;

/// The text of a template, and where it stands.
type Source = (PathBuf, String);

impl HfFolder {
    /// The folder's chat template: `chat_template.jinja`, or else `chat_template` of `tokenizer_config.json`.
    /// `None` if it has none. `today` is the date that the template may write.
    ///
    /// Conversations with tools are rendered by the template `tool_use`, as in transformers, where there is one: in
    /// the folder `additional_chat_templates`, or in the list of `tokenizer_config.json`.
    ///
    /// # Errors
    ///
    /// [`LmError::Io`], [`LmError::Json`] and [`LmError::GitLfsPointer`] if a file cannot be read;
    /// [`LmError::ChatTemplate`] if the template has a mistake.
    pub fn chat_template(&self, today: NaiveDate) -> Result<Option<ChatTemplate>, LmError> {
        let config = read_if_there(self.path(), CONFIG)?.unwrap_or_default();
        let map = read_if_there(self.path(), SPECIAL_TOKENS)?.unwrap_or_default();
        let (default, tools) = match template_file(self.path().join(FILE))? {
            Some(default) => (default, template_file(self.path().join(TOOLS_FILE))?),
            None => match self.templates_of_config(&config)? {
                Some(found) => found,
                None => return Ok(None),
            },
        };
        // As in transformers, the other file names what the first one does not.
        let mut tokens = special_tokens(&map);
        tokens.extend(special_tokens(&config));
        let compiled =
            |(path, source): Source| ChatTemplate::new(&source, &path, tokens.clone(), today);
        let template = compiled(default)?;
        Ok(Some(match tools {
            Some(tools) => template.with_tools(compiled(tools)?),
            None => template,
        }))
    }

    /// `chat_template` of the configuration: a text, or a list of named ones. The default one, and that for tools.
    fn templates_of_config(
        &self,
        config: &Value,
    ) -> Result<Option<(Source, Option<Source>)>, LmError> {
        let path = self.path().join(CONFIG);
        let refused = |reason: &str| {
            Err(LmError::Json {
                path: path.clone(),
                reason: format!("chat_template: {reason}"),
            })
        };
        match &config["chat_template"] {
            Value::Null => Ok(None),
            Value::String(source) => Ok(Some(((path, source.clone()), None))),
            Value::Array(list) => {
                let named = |name: &str| {
                    let found = list.iter().find(|entry| entry["name"] == name)?;
                    let source = found["template"].as_str()?;
                    Some((path.clone(), source.to_string()))
                };
                match named("default") {
                    Some(default) => Ok(Some((default, named(TOOLS)))),
                    None => refused("none of the listed templates is called default"),
                }
            }
            _ => refused("expected a text, or a list of named ones"),
        }
    }
}

/// The template in a file, if it is there.
fn template_file(path: PathBuf) -> Result<Option<Source>, LmError> {
    if !path.is_file() {
        return Ok(None);
    }
    refuse_pointer(&path)?;
    let source = read_template(&path)?;
    Ok(Some((path, source)))
}

fn read_template(path: &Path) -> Result<String, LmError> {
    let refused = |reason: String| LmError::ChatTemplate {
        path: path.to_path_buf(),
        reason,
    };
    let bytes = std::fs::metadata(path).map_err(LmError::io("read", path))?;
    if bytes.len() > MOST_BYTES {
        return Err(refused(format!(
            "it has {} bytes; a chat template of more than {MOST_BYTES} is not read",
            bytes.len()
        )));
    }
    let bytes = std::fs::read(path).map_err(LmError::io("read", path))?;
    String::from_utf8(bytes)
        .map_err(|error| refused(format!("it is not UTF-8: {}", error.utf8_error())))
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
