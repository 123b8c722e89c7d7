//! The built-in suite: eight small tasks that mirror TRACE's kinds, a probe of general knowledge,
//! and the mixture on which a tiny model is pre-trained.
//!
//! All data follow from a seed. Each task and the mixture draw from their own random streams, so a
//! change of one does not affect the rows of the others. The mixture teaches the words, facts and
//! reading skills that the tasks need, but never the tasks' formats: fine-tuning has something to
//! learn, and something to forget.
//!
//! The answer follows the prompt directly, as in TRACE.

mod choice;
mod code;
mod facts;
mod mixture;
mod probe;
mod shares;
mod simplify;
mod stance;
mod summary;
mod sums;
#[cfg(test)]
mod tests;
mod tone;
mod words;

use std::collections::BTreeSet;

use rand::{SeedableRng, seq::SliceRandom};
use serde::Serialize;

pub use mixture::{Document, mixture};
use words::Random;

/// One row in TRACE's format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Instruction, input and closing cue.
    pub prompt: String,
    /// The text after the cue, without a leading space.
    pub answer: String,
}

/// One task with three splits that share no prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TaskSplit {
    /// Name of the task's folder.
    pub name: &'static str,
    /// `accuracy`, `first_character`, `rouge_l`, `sari` or `fuzzy_ratio`.
    pub score: &'static str,
    /// Maximum length of an answer in tokens.
    pub max_new_tokens: usize,
    /// Rows to learn from.
    pub train: Vec<Row>,
    /// Rows to choose settings with.
    pub validation: Vec<Row>,
    /// Rows for reported scores.
    pub test: Vec<Row>,
}

/// Number of rows to generate, per task and for the probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// Training rows of each task.
    pub train: usize,
    /// Validation rows of each task.
    pub validation: usize,
    /// Test rows of each task.
    pub test: usize,
    /// Questions of the probe.
    pub probe: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            train: 400,
            validation: 80,
            test: 80,
            probe: 200,
        }
    }
}

/// The eight tasks in the order in which they are learned, and the probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suite {
    /// The tasks in their order.
    pub tasks: Vec<TaskSplit>,
    /// Questions about general knowledge, in the mixture's wording.
    pub probe: Vec<Row>,
}

/// How to draw and score a task.
struct Task {
    name: &'static str,
    score: &'static str,
    max_new_tokens: usize,
    /// Draws a row; its index in the split lets a task balance its labels.
    row: fn(&mut Random, usize) -> Row,
}

const TASKS: [Task; 8] = [
    Task {
        name: "stance",
        score: "accuracy",
        max_new_tokens: 4,
        row: stance::row,
    },
    Task {
        name: "tone",
        score: "accuracy",
        max_new_tokens: 4,
        row: tone::row,
    },
    Task {
        name: "summary",
        score: "rouge_l",
        max_new_tokens: 32,
        row: summary::row,
    },
    Task {
        name: "code",
        score: "fuzzy_ratio",
        max_new_tokens: 24,
        row: code::row,
    },
    Task {
        name: "choice",
        score: "first_character",
        max_new_tokens: 32,
        row: choice::row,
    },
    Task {
        name: "sums",
        score: "accuracy",
        max_new_tokens: 4,
        row: sums::row,
    },
    Task {
        name: "shares",
        score: "accuracy",
        max_new_tokens: 4,
        row: shares::row,
    },
    Task {
        name: "simplify",
        score: "sari",
        max_new_tokens: 40,
        row: simplify::row,
    },
];

/// Number of failed draws after which a task has no more new prompts.
const MAX_DRAWS: usize = 2_000;

/// Generates the tasks and the probe from a seed.
///
/// Every task has about twenty thousand different prompts or more. If a split asks for more than
/// remain, it is shorter, without repetitions.
pub fn generate(seed: u64, sizes: &Sizes) -> Suite {
    let tasks = TASKS
        .iter()
        .enumerate()
        .map(|(position, task)| {
            let mut random = stream(seed, 1 + position as u64);
            let mut seen = BTreeSet::new();
            let mut split = |count| rows(task, count, &mut seen, &mut random);
            TaskSplit {
                name: task.name,
                score: task.score,
                max_new_tokens: task.max_new_tokens,
                train: split(sizes.train),
                validation: split(sizes.validation),
                test: split(sizes.test),
            }
        })
        .collect();
    let probe = probe::rows(&mut stream(seed, 1 + TASKS.len() as u64), sizes.probe);
    Suite { tasks, probe }
}

/// Draws rows with new prompts only, in random order.
fn rows(task: &Task, count: usize, seen: &mut BTreeSet<String>, random: &mut Random) -> Vec<Row> {
    let mut rows = Vec::with_capacity(count);
    for index in 0..count {
        let fresh = (0..MAX_DRAWS)
            .map(|_| (task.row)(random, index))
            .find(|row| !seen.contains(&row.prompt));
        let Some(row) = fresh else { break };
        seen.insert(row.prompt.clone());
        rows.push(row);
    }
    // The draws assign labels in turn; the order of the rows must not reveal them.
    rows.shuffle(random);
    rows
}

/// An independent random stream of a seed.
fn stream(seed: u64, number: u64) -> Random {
    let mut random = Random::seed_from_u64(seed);
    random.set_stream(number);
    random
}
