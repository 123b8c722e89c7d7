//! What is learned and how it is scored.

use std::sync::Arc;

use burn::data::dataset::Dataset;
use lm::Example;

/// Scores answers to prompts, in `[0, 100]`.
pub trait Scorer: Send + Sync {
    /// The score of all `answers` together; the three slices have one length.
    fn score(&self, prompts: &[&str], answers: &[&str], references: &[&str]) -> f64;
}

/// A row to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The prompt as text.
    pub prompt: String,
    /// The prompt as tokens, cut to what the model is given.
    pub tokens: Vec<u32>,
    /// The expected answer.
    pub reference: String,
}

/// Rows to be answered and how the answers are scored.
#[derive(Clone)]
pub struct EvaluationSet {
    /// The rows.
    pub questions: Vec<Question>,
    /// How answers are scored.
    pub scorer: Arc<dyn Scorer>,
    /// Longest answer in tokens.
    pub max_new_tokens: usize,
}

/// A task of a sequence.
#[derive(Clone)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// Rows to train on.
    pub train: Arc<dyn Dataset<Example>>,
    /// Rows whose loss is watched while training, if it is; never those of the score.
    pub validation: Option<Arc<dyn Dataset<Example>>>,
    /// Rows the score is reported on (of the test split, or of the validation split while
    /// settings are being tuned).
    pub evaluation: EvaluationSet,
    /// Epochs.
    pub epochs: usize,
}

/// Scores nothing: for tests that ask no question.
#[cfg(test)]
pub(crate) struct Unscored;

#[cfg(test)]
impl Scorer for Unscored {
    fn score(&self, _: &[&str], _: &[&str], _: &[&str]) -> f64 {
        0.0
    }
}
