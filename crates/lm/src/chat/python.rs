//! Values as Python writes them: templates are written for Jinja in Python.

use minijinja::value::{Kwargs, Serde, Value, ValueKind};
use minijinja::{Error, ErrorKind, Output, State};

/// How `{{ value }}` is written: as Python's `str`.
pub(super) fn format(out: &mut Output, _state: &mut State, value: &Value) -> Result<(), Error> {
    let text = match value.kind() {
        ValueKind::Undefined => return Ok(()),
        ValueKind::String => {
            return out
                .write_str(value.as_str().unwrap_or_default())
                .map_err(|_| too_long());
        }
        _ => repr(value)?,
    };
    out.write_str(&text).map_err(|_| too_long())
}

fn too_long() -> Error {
    Error::new(ErrorKind::WriteFailure, "cannot write the text")
}

/// Python's `repr`.
fn repr(value: &Value) -> Result<String, Error> {
    Ok(match value.kind() {
        ValueKind::None => "None".to_string(),
        ValueKind::Bool => match value.is_true() {
            true => "True".to_string(),
            false => "False".to_string(),
        },
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            let quote = match text.contains('\'') && !text.contains('"') {
                true => '"',
                false => '\'',
            };
            let mut quoted = String::from(quote);
            for character in text.chars() {
                match character {
                    '\n' => quoted.push_str("\\n"),
                    '\t' => quoted.push_str("\\t"),
                    '\r' => quoted.push_str("\\r"),
                    '\\' => quoted.push_str("\\\\"),
                    c if c == quote => quoted.extend(['\\', c]),
                    c => quoted.push(c),
                }
            }
            quoted.push(quote);
            quoted
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let items: Result<Vec<String>, Error> = value.try_iter()?.map(|v| repr(&v)).collect();
            format!("[{}]", items?.join(", "))
        }
        ValueKind::Map => {
            let mut items = Vec::new();
            for key in value.try_iter()? {
                items.push(format!(
                    "{}: {}",
                    repr(&key)?,
                    repr(&value.get_item(&key)?)?
                ));
            }
            format!("{{{}}}", items.join(", "))
        }
        _ => value.to_string(),
    })
}

/// The filter `tojson` of transformers: Python's `json.dumps` without escaping, with its separators and
/// optional indentation.
pub(super) fn tojson(value: Serde<serde_json::Value>, kwargs: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = kwargs.get("indent")?;
    let sorted: Option<bool> = kwargs.get("sort_keys")?;
    // Texts stay as they are unless a template asks for ASCII.
    let ascii: Option<bool> = kwargs.get("ensure_ascii")?;
    let separators: Option<Vec<String>> = kwargs.get("separators")?;
    kwargs.assert_all_used()?;
    let [between, after_key] = match separators.as_deref() {
        Some([between, after_key]) => [between.clone(), after_key.clone()],
        _ => [
            if indent.is_some() { "," } else { ", " }.to_string(),
            ": ".to_string(),
        ],
    };
    let style = Style {
        indent,
        sorted: sorted.unwrap_or(false),
        ascii: ascii.unwrap_or(false),
        between,
        after_key,
    };
    let mut text = String::new();
    style.write(&value.0, 0, &mut text);
    Ok(Value::from_safe_string(text))
}

struct Style {
    indent: Option<usize>,
    sorted: bool,
    ascii: bool,
    between: String,
    after_key: String,
}

impl Style {
    fn write(&self, value: &serde_json::Value, level: usize, text: &mut String) {
        match value {
            serde_json::Value::Array(items) => {
                let items: Vec<(Option<&String>, &serde_json::Value)> =
                    items.iter().map(|item| (None, item)).collect();
                self.write_items(['[', ']'], &items, level, text);
            }
            serde_json::Value::Object(fields) => {
                let mut items: Vec<_> = fields.iter().map(|(k, v)| (Some(k), v)).collect();
                if self.sorted {
                    items.sort_by_key(|&(key, _)| key);
                }
                self.write_items(['{', '}'], &items, level, text);
            }
            serde_json::Value::String(content) => text.push_str(&self.quoted(content)),
            other => text.push_str(&other.to_string()),
        }
    }

    fn write_items(
        &self,
        [open, close]: [char; 2],
        items: &[(Option<&String>, &serde_json::Value)],
        level: usize,
        text: &mut String,
    ) {
        text.push(open);
        let new_line = |level: usize, text: &mut String| {
            if let (Some(indent), false) = (self.indent, items.is_empty()) {
                text.push('\n');
                text.push_str(&" ".repeat(indent * level));
            }
        };
        for (index, (key, value)) in items.iter().enumerate() {
            if index > 0 {
                text.push_str(&self.between);
            }
            new_line(level + 1, text);
            if let Some(key) = key {
                text.push_str(&self.quoted(key));
                text.push_str(&self.after_key);
            }
            self.write(value, level + 1, text);
        }
        new_line(level, text);
        text.push(close);
    }

    fn quoted(&self, content: &str) -> String {
        let quoted = serde_json::Value::from(content).to_string();
        if !self.ascii {
            return quoted;
        }
        let mut ascii = String::with_capacity(quoted.len());
        for character in quoted.chars() {
            match character.is_ascii() {
                true => ascii.push(character),
                false => {
                    let mut units = [0; 2];
                    for unit in character.encode_utf16(&mut units) {
                        ascii.push_str(&format!("\\u{unit:04x}"));
                    }
                }
            }
        }
        ascii
    }
}
