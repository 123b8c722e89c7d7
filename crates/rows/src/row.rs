//! Rows and sets of rows.

use std::collections::BTreeMap;

use lm::Conversation;
use lm::chat::Mask;
use rayon::prelude::*;
use serde_json::{Map, Value};

use crate::error::{Place, RowsError};
use crate::format::{Format, Purpose};
use crate::read::{RawRow, read};
use crate::source::Source;

/// Label of a token that does not count in the loss, as in PyTorch.
const IGNORED_LABEL: i64 = -100;

/// What a row teaches.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A conversation.
    Turns {
        /// Its messages and tools.
        conversation: Conversation,
        /// Which turns count in the loss.
        mask: Mask,
    },
    /// A prompt and its answer, as they are.
    Answer {
        /// The prompt.
        prompt: String,
        /// Its answer.
        answer: String,
    },
    /// An instruction and its answer: a conversation of one turn where the model has a chat template.
    Instruction {
        /// The instruction, with its input.
        instruction: String,
        /// Its answer.
        answer: String,
    },
    /// A text to be continued.
    Text(String),
    /// Tokens, and whether each counts in the loss.
    Tokens {
        /// Token ids.
        ids: Vec<u32>,
        /// One entry per token.
        mask: Vec<bool>,
    },
}

impl Content {
    /// Whether a model's chat template writes it, if there is one.
    pub fn reads_template(&self) -> bool {
        matches!(self, Self::Turns { .. } | Self::Instruction { .. })
    }
}

/// A row of a data file.
#[derive(Clone, Debug)]
pub struct Row {
    /// Where it stands.
    pub place: Place,
    /// The row as JSON, in one line.
    pub source: String,
    /// What it teaches.
    pub content: Content,
    /// How often it is used per epoch.
    pub repeats: usize,
}

/// Rows of one format.
#[derive(Clone, Debug)]
pub struct RowSet {
    /// The rows, in the order of the files.
    pub rows: Vec<Row>,
    /// Their format.
    pub format: Format,
    /// Keys that the format does not read, each with the number of rows that have it.
    pub unread: BTreeMap<String, usize>,
}

impl RowSet {
    /// Reads all rows of files, which must have one format.
    ///
    /// # Errors
    ///
    /// [`RowsError`] for the first file or row that cannot be used, or the first row of another format.
    pub fn read(sources: &[Source]) -> Result<Self, RowsError> {
        Self::read_for(sources, Purpose::Learning)
    }

    /// Reads all rows of files that are to be answered, whether their answers are there or not; a missing answer
    /// is read as an empty one.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn read_questions(sources: &[Source]) -> Result<Self, RowsError> {
        Self::read_for(sources, Purpose::Answering)
    }

    fn read_for(sources: &[Source], purpose: Purpose) -> Result<Self, RowsError> {
        let mut rows = Vec::new();
        let mut first: Option<(Format, Place)> = None;
        let mut unread: BTreeMap<String, usize> = BTreeMap::new();
        for source in sources {
            let raw = read(&source.path)?;
            let mut formats = Vec::with_capacity(raw.len());
            for row in &raw {
                let format = Format::of(&row.fields, purpose)
                    .map_err(|reason| RowsError::row(&row.place, reason))?;
                let (first_format, first_place) =
                    first.get_or_insert_with(|| (format, row.place.clone()));
                if *first_format != format && !purpose.mixes(*first_format, format) {
                    return Err(RowsError::Mixed {
                        place: row.place.clone(),
                        format: format.name(),
                        first_place: first_place.clone(),
                        first_format: first_format.name(),
                    });
                }
                formats.push(format);
            }
            let Some((format, _)) = first else {
                continue;
            };
            for key in raw.iter().flat_map(|row| row.fields.keys()) {
                if !format.reads(key) {
                    *unread.entry(key.clone()).or_default() += 1;
                }
            }
            let parsed: Vec<Result<Row, RowsError>> = raw
                .into_par_iter()
                .zip(formats)
                .enumerate()
                .map(|(index, (row, format))| parsed(format, purpose, row, source.repeats(index)))
                .collect();
            for row in parsed {
                rows.push(row?);
            }
        }
        let Some((format, _)) = first else {
            return Err(RowsError::Source {
                text: String::new(),
                reason: "expected at least one file".to_string(),
            });
        };
        // A weight below 1 leaves rows out.
        rows.retain(|row| row.repeats > 0);
        Ok(Self {
            rows,
            format,
            unread,
        })
    }
}

fn parsed(format: Format, purpose: Purpose, row: RawRow, repeats: usize) -> Result<Row, RowsError> {
    match content(format, purpose, &row.fields) {
        Ok(content) => Ok(Row {
            place: row.place,
            source: row.source,
            content,
            repeats,
        }),
        Err(reason) => Err(RowsError::row(&row.place, reason)),
    }
}

fn content(
    format: Format,
    purpose: Purpose,
    fields: &Map<String, Value>,
) -> Result<Content, String> {
    let text = |key: &str| match fields.get(key) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Null) | None => Err(format!("{key} is null, expected text")),
        Some(Value::Array(_)) => Err(format!(
            "{key} is a list; conversations are written as messages"
        )),
        Some(other) => Err(format!("{key} is {other}, expected text")),
    };
    let said = |key: &str| match text(key)? {
        empty if empty.trim().is_empty() => Err(format!("{key} is empty, expected text")),
        text => Ok(text),
    };
    let answer = |key: &str| match (purpose, fields.get(key)) {
        (Purpose::Answering, None | Some(Value::Null)) => Ok(String::new()),
        (Purpose::Answering, _) => text(key),
        (Purpose::Learning, _) => said(key),
    };
    match format {
        Format::Messages if purpose == Purpose::Answering => asked(fields),
        Format::Messages => conversation(fields),
        Format::Tokens => tokens(fields),
        Format::Completion | Format::Answer => Ok(Content::Answer {
            prompt: said("prompt")?,
            answer: answer(match format {
                Format::Answer => "answer",
                _ => "completion",
            })?,
        }),
        Format::Instruction => {
            let input = match fields.get("input") {
                None | Some(Value::Null) => String::new(),
                Some(_) => text("input")?,
            };
            let mut instruction = said("instruction")?;
            if !input.trim().is_empty() {
                instruction = format!("{instruction}\n\n{input}");
            }
            Ok(Content::Instruction {
                instruction,
                answer: answer("output")?,
            })
        }
        Format::Text => Ok(Content::Text(said("text")?)),
    }
}

fn messages(fields: &Map<String, Value>) -> Result<Conversation, String> {
    let messages = fields.get("messages").unwrap_or(&Value::Null);
    Conversation::new(messages, fields.get("tools")).map_err(|error| error.to_string())
}

/// A conversation whose last message is to be answered, if it is not an answer itself.
fn asked(fields: &Map<String, Value>) -> Result<Content, String> {
    Ok(Content::Turns {
        conversation: messages(fields)?.with_answer(),
        mask: Mask::Assistant,
    })
}

fn conversation(fields: &Map<String, Value>) -> Result<Content, String> {
    let conversation = messages(fields)?;
    let mask = match fields.get("unmask") {
        None | Some(Value::Null | Value::Bool(false)) => Mask::Assistant,
        Some(Value::Bool(true)) => Mask::AllButSystem,
        Some(other) => return Err(format!("unmask is {other}, expected true or false")),
    };
    let mut turns = conversation.assistant_turns().peekable();
    if mask == Mask::Assistant && turns.peek().is_none() {
        return Err("no message is the assistant's: nothing to learn".to_string());
    }
    for turn in turns {
        let message = &conversation.messages()[turn];
        let is_empty = match &message["content"] {
            Value::String(text) => text.trim().is_empty(),
            Value::Array(parts) => parts.is_empty(),
            _ => true,
        };
        if is_empty && message.get("tool_calls").is_none() {
            return Err(format!(
                "message {}: the assistant's content is empty: nothing to learn",
                turn + 1
            ));
        }
    }
    Ok(Content::Turns { conversation, mask })
}

fn tokens(fields: &Map<String, Value>) -> Result<Content, String> {
    let list = |key: &str| -> Result<Vec<i64>, String> {
        let list = fields.get(key).and_then(Value::as_array);
        let list = list.ok_or_else(|| format!("{key} is not a list of numbers"))?;
        let number = |(index, value): (usize, &Value)| {
            let number = value.as_i64();
            number.ok_or_else(|| format!("{key}, entry {}: {value} is not an integer", index + 1))
        };
        list.iter().enumerate().map(number).collect()
    };
    let ids = list("input_ids")?;
    if ids.is_empty() {
        return Err("input_ids is empty: nothing to learn".to_string());
    }
    let labels = match fields.contains_key("labels") {
        true => list("labels")?,
        false => ids.clone(),
    };
    if labels.len() != ids.len() {
        return Err(format!(
            "it has {} input_ids and {} labels; each token needs one",
            ids.len(),
            labels.len()
        ));
    }
    for (index, (&id, &label)) in ids.iter().zip(&labels).enumerate() {
        if label != IGNORED_LABEL && label != id {
            return Err(format!(
                "labels, entry {}: {label} is neither the token ({id}) nor {IGNORED_LABEL}",
                index + 1
            ));
        }
    }
    let id = |&id: &i64| u32::try_from(id).map_err(|_| format!("{id} is no token id"));
    let mask: Vec<bool> = labels.iter().map(|&label| label != IGNORED_LABEL).collect();
    if !mask.iter().skip(1).any(|&counts| counts) {
        return Err(format!(
            "every label after the first is {IGNORED_LABEL}: nothing to learn"
        ));
    }
    Ok(Content::Tokens {
        ids: ids.iter().map(id).collect::<Result<_, _>>()?,
        mask,
    })
}
