//! Finds rows that are repeated, contradict each other or stand in the evaluation data too.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::error::Place;
use crate::row::{Content, Row};

/// Two rows, the later one first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The later row.
    pub row: Place,
    /// The row that stands before it, or in the other data set.
    pub other: Place,
}

/// Flaws within one set of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flaws {
    /// Rows that stand twice, with prompt and answer.
    pub repeated: Vec<Pair>,
    /// Rows whose prompt stands before with another answer.
    pub contradictory: Vec<Pair>,
}

/// Finds repeated and contradictory rows.
pub fn flaws(rows: &[Row]) -> Flaws {
    let mut seen: HashMap<[u8; 32], (&Place, Vec<String>)> = HashMap::new();
    let mut flaws = Flaws::default();
    for row in rows {
        let (prompt, answer) = (prompt_key(row), answer_of(row));
        match seen.get_mut(&prompt) {
            None => {
                seen.insert(prompt, (&row.place, vec![answer]));
            }
            Some((place, answers)) => {
                let pair = Pair {
                    row: row.place.clone(),
                    other: place.clone(),
                };
                match answers.contains(&answer) {
                    true => flaws.repeated.push(pair),
                    false => {
                        answers.push(answer);
                        flaws.contradictory.push(pair);
                    }
                }
            }
        }
    }
    flaws
}

/// Rows whose prompt stands in other rows too.
pub fn shared(rows: &[Row], others: &[Row]) -> Vec<Pair> {
    let others: HashMap<[u8; 32], &Place> = others
        .iter()
        .map(|row| (prompt_key(row), &row.place))
        .collect();
    let pair = |row: &Row| {
        let other = others.get(&prompt_key(row))?;
        Some(Pair {
            row: row.place.clone(),
            other: (*other).clone(),
        })
    };
    rows.iter().filter_map(pair).collect()
}

/// A hash of a row's prompt: of everything before the last answer, or of the whole text.
pub(crate) fn prompt_key(row: &Row) -> [u8; 32] {
    let mut hash = Sha256::new();
    match &row.content {
        Content::Turns { conversation, .. } => match conversation.last_turn() {
            Some((before, _)) => {
                for message in before.messages() {
                    hash.update(message.to_string());
                }
                // What may be called is a part of the question.
                if let Some(tools) = before.tools() {
                    hash.update(tools.to_string());
                }
            }
            None => hash.update(&row.source),
        },
        Content::Answer { prompt, .. } => hash.update(prompt.trim()),
        Content::Instruction { instruction, .. } => hash.update(instruction.trim()),
        Content::Text(text) => hash.update(text.trim()),
        Content::Tokens { ids, .. } => {
            for id in ids {
                hash.update(id.to_le_bytes());
            }
        }
    }
    hash.finalize().into()
}

fn answer_of(row: &Row) -> String {
    match &row.content {
        Content::Turns { conversation, .. } => match conversation.last_turn() {
            Some((_, answer)) => match answer["content"].as_str() {
                Some(text) if answer.get("tool_calls").is_none() => text.trim().to_string(),
                _ => answer.to_string(),
            },
            None => String::new(),
        },
        Content::Answer { answer, .. } | Content::Instruction { answer, .. } => {
            answer.trim().to_string()
        }
        Content::Text(_) | Content::Tokens { .. } => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::source::Source;

    fn rows(values: &[Value]) -> Result<Vec<Row>, Box<dyn std::error::Error>> {
        let file = tempfile::NamedTempFile::new()?;
        let lines: Vec<String> = values.iter().map(Value::to_string).collect();
        std::fs::write(file.path(), lines.join("\n"))?;
        let source = Source {
            path: file.path().to_path_buf(),
            weight: 1.0,
        };
        Ok(crate::RowSet::read(&[source])?.rows)
    }

    #[test]
    fn a_prompt_is_what_precedes_the_last_answer_with_its_tools()
    -> Result<(), Box<dyn std::error::Error>> {
        let call =
            |city: &str| json!([{"function": {"name": "weather", "arguments": {"city": city}}}]);
        let row = |answer: Value, tools: &[&str]| {
            let messages = json!([{"role": "user", "content": "How is it?"}, answer]);
            json!({"messages": messages, "tools": tools})
        };
        let said = json!({"role": "assistant", "content": "Fine."});
        let called = |city| json!({"role": "assistant", "content": null, "tool_calls": call(city)});
        let rows = rows(&[
            row(called("Rome"), &["weather"]),
            row(called("Oslo"), &["weather"]),
            row(said.clone(), &["weather"]),
            row(said, &[]),
        ])?;
        let keys: Vec<_> = rows.iter().map(prompt_key).collect();
        assert!(keys[0] == keys[1] && keys[1] == keys[2]);
        assert_ne!(keys[2], keys[3]);
        assert_ne!(answer_of(&rows[0]), answer_of(&rows[1]));
        assert_eq!(answer_of(&rows[2]), "Fine.");
        Ok(())
    }
}
