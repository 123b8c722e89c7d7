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
    /// The answer equals the expected one but for case, ASCII punctuation and white space: the CL
    /// benchmark's score.
    pub fn exact_match() -> Self {
        Self::new(ExactMatch)
    }
}

/// As the CL benchmark compares: lower case, no ASCII punctuation, single blanks. Articles stay.
fn normalized(text: &str) -> String {
    let lower = text.to_lowercase();
    let kept: String = lower
        .chars()
        .filter(|character| !character.is_ascii_punctuation())
        .collect();
    words(&kept).collect::<Vec<_>>().join(" ")
}
