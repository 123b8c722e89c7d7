//! The pre-training mixture: short documents that teach the words, facts and skills of the suite.
//!
//! It omits the tasks' instructions and the meaning of their labels on purpose. It practises the
//! skill of each task under another cue: a view as a word instead of a letter, a count with its
//! unit, single notes instead of a summary.
//! letter, a count with its unit, single notes instead of a summary).

mod knowledge;
mod language;
mod numbers;
mod reading;

use serde::Serialize;

use super::words::Random;
use rand::distr::{Distribution, weighted::WeightedIndex};

/// One pre-training document, the text `prompt + answer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Document {
    /// The text before the answer; empty if the whole document is prose.
    pub prompt: String,
    /// The answer without a leading space, or the prose.
    pub answer: String,
}

impl Document {
    /// A document of prose.
    pub fn prose(text: impl Into<String>) -> Self {
        Self {
            prompt: String::new(),
            answer: text.into(),
        }
    }

    /// A document with a prompt and its answer.
    pub fn asked(prompt: impl Into<String>, answer: impl Into<String>) -> Self {
        Self {
            prompt: prompt.into(),
            answer: answer.into(),
        }
    }

    /// A document with a prompt that contains several cues, all but the last with their answers.
    ///
    /// `head` determines how many follow, so that a model can learn where a document ends.
    fn series(head: &str, turns: &[(String, String)]) -> Self {
        let mut prompt = head.to_string();
        let mut last = String::new();
        for (cue, answer) in turns {
            prompt.push_str(&last);
            if !prompt.is_empty() {
                prompt.push('\n');
            }
            prompt.push_str(cue);
            last.clone_from(answer);
        }
        Self {
            prompt,
            answer: last,
        }
    }
}

/// Draws one document of a kind.
type Draw = fn(&mut Random) -> Document;

/// The kinds of documents with their relative frequencies.
///
/// Skills that work on the context (reading, letters, phrases) are the most frequent: they take
/// more steps to form than facts take to be stored.
const KINDS: [(u32, Draw); 24] = [
    (10, knowledge::question),
    (9, knowledge::quiz),
    (5, knowledge::statements),
    (6, knowledge::letter_of_fact),
    (5, knowledge::letter_of_key),
    (5, numbers::question),
    (7, numbers::quiz),
    (3, numbers::statements),
    (4, numbers::story),
    (8, numbers::story_question),
    (2, reading::opinion),
    (9, reading::views),
    (2, reading::bank),
    (6, reading::policy),
    (2, reading::council),
    (8, reading::notes),
    (5, reading::scene),
    (2, language::meaning),
    (2, language::meanings),
    (9, language::phrase),
    (2, language::aside),
    (5, language::script),
    (3, language::copy),
    (1, language::glossary),
];

/// The first `count` documents of a seed; a shorter mixture is the beginning of a longer one.
pub fn mixture(seed: u64, count: usize) -> Vec<Document> {
    // Stream 0; the tasks and the probe use the streams above it.
    let mut random = super::stream(seed, 0);
    let weights = WeightedIndex::new(KINDS.iter().map(|(weight, _)| *weight))
        .expect("invariant: weights are positive");
    (0..count)
        .map(|_| {
            let (_, draw) = KINDS[weights.sample(&mut random)];
            draw(&mut random)
        })
        .collect()
}
