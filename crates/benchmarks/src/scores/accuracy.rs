//! Accuracy: the first line is right or wrong.

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
    /// The answer's first line, without white space around it, equals the expected one.
    pub fn accuracy() -> Self {
        Self::new(Accuracy)
    }
}
