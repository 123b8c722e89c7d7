//! Flaws of a task's rows: what makes a score say less than it seems to, and what is done about it.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::{Row, TaskRows};

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

/// Answers that make a task one of fixed answers: no more than these in the training rows.
const MOST_LABELS: usize = 20;
/// Rows per label that make a task one of fixed answers.
const ROWS_PER_LABEL: usize = 10;
/// A constant answer that scores as much as this is worth a word.
const CONSTANT_PERCENT: usize = 60;

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

/// All flaws of a task's rows.
pub fn flaws(rows: &TaskRows) -> Vec<Flaw> {
    let splits = [
        (Split::Train, &rows.train),
        (Split::Validation, &rows.validation),
        (Split::Test, &rows.test),
    ];
    let mut found = Vec::new();
    for (of, with) in [(2, 0), (2, 1), (1, 0)] {
        found.extend(shared(splits[of], splits[with]));
    }
    for (of, split) in splits {
        let unlabelled = split.iter().filter(|row| !rows.is_labelled(row)).count();
        if unlabelled > 0 {
            found.push(Flaw::Unlabelled {
                of,
                rows: unlabelled,
                all: split.len(),
            });
        }
    }
    for (of, rows) in splits {
        let mut seen = HashSet::new();
        let repeated = rows
            .iter()
            .filter(|row| !seen.insert((&row.prompt, &row.answer)));
        let repeated = repeated.count();
        if repeated > 0 {
            found.push(Flaw::Repeated {
                of,
                rows: repeated,
                all: rows.len(),
            });
        }
        let mut answers: HashMap<&str, HashSet<&str>> = HashMap::new();
        for row in rows {
            answers.entry(&row.prompt).or_default().insert(&row.answer);
        }
        let prompts = answers.values().filter(|answers| answers.len() > 1).count();
        if prompts > 0 {
            found.push(Flaw::Contradictory { of, prompts });
        }
    }
    let gold = |row: &&Row| rows.is_labelled(row);
    let labels = rows.train.iter().filter(gold).map(|row| row.answer.trim());
    let labels: HashSet<&str> = labels.collect();
    if labels.len() <= MOST_LABELS && labels.len() * ROWS_PER_LABEL <= rows.train.len() {
        for (of, rows) in &splits[1..] {
            let unseen: Vec<&str> = rows
                .iter()
                .filter(gold)
                .map(|row| row.answer.trim())
                .filter(|answer| !labels.contains(answer))
                .collect();
            if !unseen.is_empty() {
                let mut names: Vec<String> = unseen.iter().map(ToString::to_string).collect();
                names.sort();
                names.dedup();
                found.push(Flaw::UnseenLabels {
                    of: *of,
                    rows: unseen.len(),
                    labels: names,
                });
            }
        }
        found.extend(constant(&rows.test));
    }
    found
}

impl TaskRows {
    fn is_labelled(&self, row: &Row) -> bool {
        is_labelled(row, &self.labels)
    }
}

/// Whether a row's answer is one of the task's; any is where they are not fixed.
fn is_labelled(row: &Row, labels: &[String]) -> bool {
    labels.is_empty() || labels.iter().any(|label| label == row.answer.trim())
}

fn shared((of, rows): (Split, &Vec<Row>), (with, others): (Split, &Vec<Row>)) -> Option<Flaw> {
    let mut known: HashMap<&str, HashSet<&str>> = HashMap::new();
    for row in others {
        known.entry(&row.prompt).or_default().insert(&row.answer);
    }
    let answers = rows.iter().filter_map(|row| {
        let answers = known.get(row.prompt.as_str())?;
        Some(answers.contains(row.answer.as_str()))
    });
    let answers: Vec<bool> = answers.collect();
    (!answers.is_empty()).then(|| Flaw::Shared {
        of,
        with,
        rows: answers.len(),
        same_answer: answers.iter().filter(|same| **same).count(),
        all: rows.len(),
    })
}

fn constant(test: &[Row]) -> Option<Flaw> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for row in test {
        *counts.entry(row.answer.trim()).or_default() += 1;
    }
    let (label, count) = counts
        .into_iter()
        .max_by_key(|&(label, count)| (count, label))?;
    let percent = 100 * count / test.len().max(1);
    (percent >= CONSTANT_PERCENT).then(|| Flaw::Constant {
        label: label.to_string(),
        percent,
    })
}

/// Rows with which a score says what it seems to, and what was changed, in sentences.
///
/// Rows without a gold label are left out everywhere. The other test rows stay as they are, so that
/// scores compare with published ones. Training rows with
/// the prompt of a test row are left out, and so are validation rows with the prompt of a test row
/// or of a training row that is left; where none is left, every tenth training row becomes a
/// validation row instead. Repeated training rows stay: they weigh what they weigh.
pub fn repaired(mut rows: TaskRows) -> (TaskRows, Vec<String>) {
    let mut changes = Vec::new();
    let labels = std::mem::take(&mut rows.labels);
    for (of, rows) in [
        (Split::Train, &mut rows.train),
        (Split::Validation, &mut rows.validation),
        (Split::Test, &mut rows.test),
    ] {
        let all = rows.len();
        rows.retain(|row| is_labelled(row, &labels));
        if rows.len() < all {
            let left_out = all - rows.len();
            changes.push(format!(
                "left out {left_out} of {all} {of} rows that have no gold label"
            ));
        }
    }
    rows.labels = labels;
    let prompts =
        |rows: &[Row]| -> HashSet<String> { rows.iter().map(|row| row.prompt.clone()).collect() };
    let test = prompts(&rows.test);
    let all = rows.train.len();
    rows.train.retain(|row| !test.contains(&row.prompt));
    if rows.train.len() < all {
        let left_out = all - rows.train.len();
        changes.push(format!(
            "left out {left_out} of {all} training rows whose prompt is a test row's"
        ));
    }
    let train = prompts(&rows.train);
    let all = rows.validation.len();
    rows.validation
        .retain(|row| !test.contains(&row.prompt) && !train.contains(&row.prompt));
    let left = rows.validation.len();
    if left < all {
        changes.push(format!(
            "left out {} of {all} validation rows whose prompt is a test or training row's",
            all - left
        ));
    }
    if left == 0 && rows.train.len() >= 10 {
        rows.validation = rows.train.iter().skip(9).step_by(10).cloned().collect();
        let moved = prompts(&rows.validation);
        rows.train.retain(|row| !moved.contains(&row.prompt));
        changes.push(format!(
            "{} training rows became validation rows, since none was left",
            rows.validation.len()
        ));
    }
    (rows, changes)
}
