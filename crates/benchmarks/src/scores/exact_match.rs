//! Exact match, the score of the CL benchmark.

use super::text::{all_or_nothing, words};
use super::{Score, TaskScore};

#[derive(Debug)]
struct ExactMatch;

impl TaskScore for ExactMatch {
    fn name(&self) -> &'static str {
        "exact_match"
    }

    fn help(&self) -> &'static str {
        "The answer equals the expected one but for case, ASCII punctuation and white space"
    }

    fn row_score(&self, _prompt: &str, answer: &str, reference: &str) -> f64 {
        all_or_nothing(normalized(answer) == normalized(reference))
    }
}

impl Score {
    /// Exact match: 100 if the answer equals the expected one except for case, ASCII punctuation
    /// and white space; otherwise 0. It is the CL benchmark's score.
    pub fn exact_match() -> Self {
        Self::new(ExactMatch)
    }
}

/// Normalizes like the CL benchmark: lower case, no ASCII punctuation, single spaces. Articles
/// stay.
fn normalized(text: &str) -> String {
    let lower = text.to_lowercase();
    let letters: String = lower
        .chars()
        .filter(|character| !character.is_ascii_punctuation())
        .collect();
    words(&letters).collect::<Vec<_>>().join(" ")
}
