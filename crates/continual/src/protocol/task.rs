//! A task, its questions and its scorer.

use std::sync::Arc;

use burn::data::dataset::Dataset;
use lm::Example;

/// Scores answers to prompts.
pub trait Scorer: Send + Sync {
    /// The score of all `answers` together, in `[0, 100]`; the three slices have the same length.
    fn score(&self, prompts: &[&str], answers: &[&str], references: &[&str]) -> f64;

    /// The score of every answer alone, in `[0, 100]`, in the order of the answers.
    fn row_scores(&self, prompts: &[&str], answers: &[&str], references: &[&str]) -> Vec<f64> {
        let rows = prompts.iter().zip(answers).zip(references);
        rows.map(|((prompt, answer), reference)| self.score(&[prompt], &[answer], &[reference]))
            .collect()
    }

    /// The answers that the task allows, as its training rows write them; empty if it has no list of them.
    fn labels(&self) -> &[String] {
        &[]
    }

    /// Whether an answer is one that the task allows, right or wrong; `None` if the task has no list of
    /// allowed answers.
    fn in_format(&self, _answer: &str) -> Option<bool> {
        None
    }
}

/// A question of an evaluation set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The prompt as text.
    pub prompt: String,
    /// The prompt as tokens, truncated to the model's limit.
    pub tokens: Vec<u32>,
    /// The expected answer.
    pub reference: String,
}

/// Questions and the scorer of their answers.
#[derive(Clone)]
pub struct EvaluationSet {
    /// The questions.
    pub questions: Vec<Question>,
    /// How answers are scored.
    pub scorer: Arc<dyn Scorer>,
    /// Maximum length of an answer in tokens.
    pub max_new_tokens: usize,
}

/// A task of a sequence.
#[derive(Clone)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// Rows to train on.
    pub train: Arc<dyn Dataset<Example>>,
    /// Rows for the validation loss during training, if any; they never contribute to the score.
    pub validation: Option<Arc<dyn Dataset<Example>>>,
    /// Questions for the reported score: from the test split, or from the validation split during
    /// tuning.
    pub evaluation: EvaluationSet,
    /// Number of epochs, at least 1.
    pub epochs: usize,
}

/// Always scores 0, for tests that ask no questions.
#[cfg(test)]
pub(crate) struct Unscored;

#[cfg(test)]
impl Scorer for Unscored {
    fn score(&self, _: &[&str], _: &[&str], _: &[&str]) -> f64 {
        0.0
    }
}
