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
        Content::Turns { conversation, .. } => match conversation.last_answer() {
            Some((before, _)) => {
                for message in before.messages() {
                    hash.update(message.to_string());
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
        Content::Turns { conversation, .. } => conversation
            .last_answer()
            .map(|(_, answer)| answer.trim().to_string())
            .unwrap_or_default(),
        Content::Answer { answer, .. } | Content::Instruction { answer, .. } => {
            answer.trim().to_string()
        }
        Content::Text(_) | Content::Tokens { .. } => String::new(),
    }
}
