//! Accuracy: the first line is either right or wrong.

use super::text::{all_or_nothing, first_line};
use super::{Score, TaskScore};

#[derive(Debug)]
struct Accuracy;

impl TaskScore for Accuracy {
    fn name(&self) -> &'static str {
        "accuracy"
    }

    fn help(&self) -> &'static str {
        "The answer's first line, without white space around it, equals the expected one"
    }

    fn row_score(&self, _prompt: &str, answer: &str, reference: &str) -> f64 {
        all_or_nothing(first_line(answer) == first_line(reference))
    }
}

impl Score {
    /// Accuracy: 100 if the answer's first line, without surrounding white space, equals the
    /// expected one; otherwise 0.
    pub fn accuracy() -> Self {
        Self::new(Accuracy)
    }
}
