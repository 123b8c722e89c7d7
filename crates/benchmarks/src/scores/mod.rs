//! How the answers to a task become one number.

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

/// How one answer is scored. [`Score`] applies the rules that hold for all scores.
pub trait TaskScore: Debug + Send + Sync {
    /// Its name in a `suite.json`.
    fn name(&self) -> &'static str;

    /// What it compares, in one sentence.
    fn help(&self) -> &'static str;

    /// Score in `[0, 100]` of an answer to a prompt, beside the expected answer.
    fn row_score(&self, prompt: &str, answer: &str, reference: &str) -> f64;

    /// Whether all of an answer counts. Where its beginning suffices, callers need not warn about answers
    /// that are too long to be generated in full.
    fn reads_whole_answer(&self) -> bool {
        true
    }

    /// Whether [`row_score`](Self::row_score) is asked about empty texts too, in place of 0 for them.
    fn scores_empty_texts(&self) -> bool {
        false
    }
}

/// A score in `[0, 100]`; in JSON, its name.
///
/// As in TRACE, an empty answer scores 0 (SARI, which looks at the prompt too, scores it as it
/// is), and the score of a task is the mean over its rows. TRACE's scripts disagree on how much of
/// an answer counts: those for trained models compare all of it, the one for in-context learning
/// cuts at the first line break (numbers) or `<EOL>` (code) so that a model that does not stop is
/// still scored. Here the cut is always made, and white space around an answer is dropped, since
/// some tokenizers cannot write it; ROUGE-L and SARI read the answer as it is.
///
/// # References
///
/// `metrics.py`, `evaluations/` and `inference/ICL.py` of BeyonderXX/TRACE.
#[derive(Clone)]
pub struct Score(Arc<dyn TaskScore>);

impl Score {
    /// The score that an implementation gives.
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

    /// Whether all of an answer counts, not only its beginning.
    pub fn reads_whole_answer(&self) -> bool {
        self.0.reads_whole_answer()
    }

    /// Score of one answer.
    pub fn row_score(&self, prompt: &str, answer: &str, reference: &str) -> f64 {
        let is_empty = answer.is_empty() || reference.is_empty();
        if is_empty && !self.0.scores_empty_texts() {
            return 0.0;
        }
        self.0.row_score(prompt, answer, reference)
    }

    /// Mean score of all answers; 0 if there is none.
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

/// Scores of one name are one score.
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
