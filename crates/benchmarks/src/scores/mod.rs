//! Scores of the answers to a task.

mod accuracy;
mod exact_match;
mod first_character;
mod fuzzy_ratio;
mod registry;
mod rouge_l;
mod sari;
mod text;

use std::fmt::{self, Debug};
use std::sync::Arc;

use serde::{Serialize, Serializer};

pub use fuzzy_ratio::{fuzzy_ratio, undo_literals};
pub use registry::Scores;
pub use rouge_l::rouge_l;
pub use sari::sari;

/// The rule that scores one answer. [`Score`] adds the rules that all scores share.
pub trait TaskScore: Debug + Send + Sync {
    /// Its name in a `suite.json`.
    fn name(&self) -> &'static str;

    /// What it compares, in one sentence.
    fn help(&self) -> &'static str;

    /// The score of an answer to a prompt in `[0, 100]`, given the expected answer.
    fn row_score(&self, prompt: &str, answer: &str, reference: &str) -> f64;

    /// Whether the whole answer counts. If its beginning is enough, callers need not warn about
    /// answers that are too long to generate.
    fn reads_whole_answer(&self) -> bool {
        true
    }

    /// Whether [`row_score`](Self::row_score) also scores empty texts, which otherwise score 0.
    fn scores_empty_texts(&self) -> bool {
        false
    }
}

/// A score in `[0, 100]`; in JSON, its name.
///
/// As in TRACE, an empty answer scores 0 (except with SARI, which also reads the prompt), and a
/// task's score is the mean over its rows.
///
/// TRACE's scripts differ in how much of an answer counts. Those for trained models compare all of
/// it. The script for in-context learning cuts it at the first line break (numbers) or `<EOL>`
/// (code), so that a model that does not stop still gets a score. This crate always cuts, and it
/// ignores white space around an answer, because some tokenizers cannot write it. ROUGE-L and SARI
/// read the answer unchanged.
///
/// # References
///
/// `metrics.py`, `evaluations/` and `inference/ICL.py` of BeyonderXX/TRACE.
#[derive(Clone)]
pub struct Score(Arc<dyn TaskScore>);

impl Score {
    /// Wraps a scoring rule.
    pub fn new(implementation: impl TaskScore + 'static) -> Self {
        Self(Arc::new(implementation))
    }

    /// Its name in a `suite.json`.
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// What it compares, in one sentence.
    pub fn help(&self) -> &'static str {
        self.0.help()
    }

    /// Whether the whole answer counts, not only its beginning.
    pub fn reads_whole_answer(&self) -> bool {
        self.0.reads_whole_answer()
    }

    /// The score of one answer in `[0, 100]`.
    pub fn row_score(&self, prompt: &str, answer: &str, reference: &str) -> f64 {
        let is_empty = answer.is_empty() || reference.is_empty();
        if is_empty && !self.0.scores_empty_texts() {
            return 0.0;
        }
        self.0.row_score(prompt, answer, reference)
    }

    /// The mean score of all answers in `[0, 100]`; 0 if there is no answer.
    ///
    /// # Panics
    ///
    /// If the slices differ in length.
    pub fn task_score(&self, prompts: &[&str], answers: &[&str], references: &[&str]) -> f64 {
        assert!(
            prompts.len() == answers.len() && answers.len() == references.len(),
            "one answer and one reference per prompt"
        );
        let scores = prompts
            .iter()
            .zip(answers)
            .zip(references)
            .map(|((prompt, answer), reference)| self.row_score(prompt, answer, reference));
        scores.sum::<f64>() / prompts.len().max(1) as f64
    }
}

impl Debug for Score {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// Scores with the same name are equal.
impl PartialEq for Score {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Score {}

impl Serialize for Score {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
