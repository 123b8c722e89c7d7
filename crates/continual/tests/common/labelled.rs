//! A scorer with a list of labels.

use std::sync::Arc;

use continual::Scorer;

use super::ExactMatch;

/// [`ExactMatch`] with a list of labels.
pub struct Labelled(Vec<String>);

impl Labelled {
    pub fn new(labels: &[&str]) -> Arc<Self> {
        Arc::new(Self(labels.iter().map(ToString::to_string).collect()))
    }
}

impl Scorer for Labelled {
    fn score(&self, prompts: &[&str], answers: &[&str], references: &[&str]) -> f64 {
        ExactMatch.score(prompts, answers, references)
    }

    fn labels(&self) -> &[String] {
        &self.0
    }

    fn in_format(&self, answer: &str) -> Option<bool> {
        Some(self.0.iter().any(|label| label == answer))
    }
}
