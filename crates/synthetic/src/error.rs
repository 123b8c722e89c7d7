//! What can go wrong while data is made up.

use lm::LmError;
use thiserror::Error;

use crate::vocabulary::VocabularyError;

/// Errors of generating suites and base models.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SyntheticError {
    /// A generated task lacks something that its suite has to say.
    #[error("the generated task {task:?} has no {what}")]
    Incomplete {
        /// The task.
        task: String,
        /// What it lacks.
        what: &'static str,
    },
    /// A suite cannot be written as JSON.
    #[error("cannot write the suite as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A vocabulary cannot be trained.
    #[error(transparent)]
    Vocabulary(#[from] VocabularyError),
    /// A text cannot be tokenized.
    #[error(transparent)]
    Lm(#[from] LmError),
}
