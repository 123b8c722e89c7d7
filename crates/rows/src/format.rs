//! The formats of rows, told by their keys.

use serde_json::{Map, Value};

/// How a row says what is to be learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `messages`, and optionally `tools` and `unmask`.
    Messages,
    /// `input_ids`, and optionally `labels`.
    Tokens,
    /// `prompt` and `completion`.
    Completion,
    /// `prompt` and `answer`.
    Answer,
    /// `instruction`, optionally `input`, and `output`.
    Instruction,
    /// `text`.
    Text,
}

/// What rows are read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be learned: every answer must be there.
    Learning,
    /// To be answered: an answer is what is expected, and may be missing.
    Answering,
}

impl Purpose {
    /// Whether rows of two formats may stand in one set: a prompt is answered in the same way, whatever key its answer
    /// has or would have.
    pub(crate) fn mixes(self, first: Format, second: Format) -> bool {
        self == Self::Answering && first.ignores_template() && second.ignores_template()
    }
}

/// Keys of answers.
const ANSWERS: [&str; 3] = ["completion", "answer", "output"];

/// Every format with the keys that it needs; the first that fits is taken.
const KEYS: [(Format, &[&str]); 6] = [
    (Format::Messages, &["messages"]),
    (Format::Tokens, &["input_ids"]),
    (Format::Completion, &["prompt", "completion"]),
    (Format::Answer, &["prompt", "answer"]),
    (Format::Instruction, &["instruction", "output"]),
    (Format::Text, &["text"]),
];

impl Format {
    /// The format of a row.
    ///
    /// # Errors
    ///
    /// A sentence about what is missing.
    pub(crate) fn of(row: &Map<String, Value>, purpose: Purpose) -> Result<Self, String> {
        let fits = |may_lack: &[&str]| {
            let has = |key: &&str| row.contains_key(*key) || may_lack.contains(key);
            KEYS.iter().find(|(_, keys)| keys.iter().all(has))
        };
        let asks = || fits(&ANSWERS).filter(|_| purpose == Purpose::Answering);
        if let Some((format, _)) = fits(&[]).or_else(asks) {
            return Ok(*format);
        }
        let begun = KEYS.iter().find_map(|(_, keys)| {
            let found = keys.iter().find(|key| row.contains_key(**key))?;
            let missing: Vec<&str> = KEYS
                .iter()
                .filter(|(_, keys)| keys.contains(found))
                .flat_map(|(_, keys)| keys.iter().copied().filter(|key| key != found))
                .collect();
            Some(format!("it has {found}, but no {}", missing.join(" or ")))
        });
        Err(begun.unwrap_or_else(|| {
            let keys: Vec<&str> = row.keys().map(String::as_str).take(8).collect();
            let found = match keys.is_empty() {
                true => "it has no keys".to_string(),
                false => format!("its keys are {}", keys.join(", ")),
            };
            format!(
                "{found}; expected messages, prompt and completion, prompt and answer, instruction and \
                 output, text, or input_ids"
            )
        }))
    }

    /// Whether rows of the format may have a key that is read.
    pub(crate) fn reads(self, key: &str) -> bool {
        let optional: &[&str] = match self {
            Self::Messages => &["tools", "unmask"],
            Self::Tokens => &["labels"],
            Self::Instruction => &["input"],
            Self::Completion | Self::Answer | Self::Text => &[],
        };
        let needed = KEYS.iter().find(|(format, _)| *format == self);
        needed.is_some_and(|(_, keys)| keys.contains(&key)) || optional.contains(&key)
    }

    /// Whether its rows are learned as they stand, without the chat template of a model that has one.
    pub fn ignores_template(self) -> bool {
        matches!(self, Self::Completion | Self::Answer)
    }

    /// Its keys, as errors and summaries show them.
    pub fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Tokens => "input_ids",
            Self::Completion => "prompt and completion",
            Self::Answer => "prompt and answer",
            Self::Instruction => "instruction and output",
            Self::Text => "text",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn formats_are_told_by_their_keys_and_missing_keys_are_named() {
        let read =
            |row: Value, purpose| Format::of(row.as_object().unwrap_or(&Map::new()), purpose);
        let of = |row| read(row, Purpose::Learning);
        assert_eq!(of(json!({"prompt": 1, "answer": 2})), Ok(Format::Answer));
        assert_eq!(of(json!({"text": "a", "id": 3})), Ok(Format::Text));
        let error = |row| of(row).err().unwrap_or_default();
        assert_eq!(
            error(json!({"prompt": "a"})),
            "it has prompt, but no completion or answer"
        );
        assert_eq!(
            error(json!({"output": "a"})),
            "it has output, but no instruction"
        );
        assert!(error(json!({"question": "a"})).starts_with("its keys are question; expected"));
        assert!(error(json!({})).starts_with("it has no keys"));
        let asked = |row| read(row, Purpose::Answering);
        assert_eq!(asked(json!({"prompt": "a"})), Ok(Format::Completion));
        assert_eq!(asked(json!({"instruction": "a"})), Ok(Format::Instruction));
        assert_eq!(asked(json!({"prompt": 1, "answer": 2})), Ok(Format::Answer));
        assert!(asked(json!({"output": "a"})).is_err());
    }
}
