//! Flaws of a task's rows that distort a score, and their repair.

mod find;
mod repair;

use std::fmt;

use crate::load::Row;

pub use find::flaws;
pub use repair::repaired;

/// A flaw of a task's rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Rows of one split share prompts with another split, so they do not test what was learned.
    Shared {
        /// The split that should be independent of the other.
        of: Split,
        /// The split that it shares prompts with.
        with: Split,
        /// Number of rows of `of` that share a prompt.
        rows: usize,
        /// Number of these rows whose answer is also the same.
        same_answer: usize,
        /// Number of all rows of `of`.
        all: usize,
    },
    /// Rows of a split repeat another row of it.
    Repeated {
        /// The split.
        of: Split,
        /// Number of repetitions, without the first occurrences.
        rows: usize,
        /// Number of all rows of the split.
        all: usize,
    },
    /// Prompts of a split occur with several answers, so no model can score 100.
    Contradictory {
        /// The split.
        of: Split,
        /// Number of such prompts.
        prompts: usize,
    },
    /// Answers of a split occur in no training row, in a task with few fixed answers.
    UnseenLabels {
        /// The split.
        of: Split,
        /// Number of rows with such an answer.
        rows: usize,
        /// The answers.
        labels: Vec<String>,
    },
    /// Rows of a split have an answer that the task does not have, so no answer can be right.
    Unlabelled {
        /// The split.
        of: Split,
        /// Number of such rows.
        rows: usize,
        /// Number of all rows of the split.
        all: usize,
    },
    /// One answer is so frequent in the test rows that giving it always scores well.
    Constant {
        /// The answer.
        label: String,
        /// Share of the test rows, in percent.
        percent: usize,
    },
}

/// A split of a task's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// `train.json`
    Train,
    /// `eval.json`
    Validation,
    /// `test.json`
    Test,
}

impl fmt::Display for Split {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Train => "train",
            Self::Validation => "eval",
            Self::Test => "test",
        })
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared {
                of,
                with,
                rows,
                same_answer,
                all,
            } => write!(
                out,
                "{rows} of {all} {of} rows have a prompt that stands in {with}, {same_answer} with \
                 the same answer"
            ),
            Self::Repeated { of, rows, all } => {
                write!(out, "{rows} of {all} {of} rows repeat another one")
            }
            Self::Contradictory { of, prompts } => {
                let stand = if *prompts == 1 {
                    "prompt stands"
                } else {
                    "prompts stand"
                };
                write!(out, "{prompts} {stand} in {of} with more than one answer")
            }
            Self::UnseenLabels { of, rows, labels } => write!(
                out,
                "{rows} {of} rows have an answer that no training row has: {}",
                labels.join(", ")
            ),
            Self::Unlabelled { of, rows, all } => {
                write!(out, "{rows} of {all} {of} rows have no gold label")
            }
            Self::Constant { label, percent } => {
                write!(out, "always answering {label:?} scores {percent}")
            }
        }
    }
}

/// Whether a row's answer is one of the task's answers; always true if these are not fixed.
fn is_labelled(row: &Row, labels: &[String]) -> bool {
    labels.is_empty() || labels.iter().any(|label| label == row.answer.trim())
}
