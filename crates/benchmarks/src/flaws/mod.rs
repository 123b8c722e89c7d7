//! Flaws of a task's rows: what makes a score say less than it seems to, and what is done about it.

mod find;
mod repair;

use std::fmt;

use crate::load::Row;

pub use find::flaws;
pub use repair::repaired;

/// A flaw of a task's rows, with the number of rows it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Rows of one split whose prompt stands in another: they are no test of what was learned.
    Shared {
        /// The split that should know nothing of the other.
        of: Split,
        /// The split it shares prompts with.
        with: Split,
        /// Rows of `of` that do.
        rows: usize,
        /// Those of them whose answer is the same there.
        same_answer: usize,
        /// Rows of `of`.
        all: usize,
    },
    /// Rows of a split that say again what another row of it says.
    Repeated {
        /// The split.
        of: Split,
        /// Rows beyond the first of each.
        rows: usize,
        /// Rows of the split.
        all: usize,
    },
    /// Prompts of a split that stand there with several answers: none can score 100.
    Contradictory {
        /// The split.
        of: Split,
        /// Such prompts.
        prompts: usize,
    },
    /// Answers of a split that no training row has, in a task of a few fixed answers.
    UnseenLabels {
        /// The split.
        of: Split,
        /// Rows with such an answer.
        rows: usize,
        /// The answers.
        labels: Vec<String>,
    },
    /// Rows of a split whose answer is none of the task's: nothing can be right there.
    Unlabelled {
        /// The split.
        of: Split,
        /// Such rows.
        rows: usize,
        /// Rows of the split.
        all: usize,
    },
    /// One answer is so frequent in the test rows that always giving it scores this well.
    Constant {
        /// The answer.
        label: String,
        /// Percent of the test rows.
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

/// Whether a row's answer is one of the task's; any is where they are not fixed.
fn is_labelled(row: &Row, labels: &[String]) -> bool {
    labels.is_empty() || labels.iter().any(|label| label == row.answer.trim())
}
