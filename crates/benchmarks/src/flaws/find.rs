//! Finds the flaws of a task's rows.

use std::collections::{HashMap, HashSet};

use super::{Flaw, Split, is_labelled};
use crate::load::{Row, TaskRows};

/// Maximum number of different training answers of a task with fixed answers.
const MOST_LABELS: usize = 20;
/// Minimum number of training rows per answer of a task with fixed answers.
const ROWS_PER_LABEL: usize = 10;
/// Minimum score of a constant answer, in percent, that is reported.
const CONSTANT_PERCENT: usize = 60;

/// A split and its rows.
type Rows<'a> = (Split, &'a [Row]);

/// Finds all flaws of a task's rows.
pub fn flaws(rows: &TaskRows) -> Vec<Flaw> {
    let train: Rows<'_> = (Split::Train, &rows.train);
    let validation: Rows<'_> = (Split::Validation, &rows.validation);
    let test: Rows<'_> = (Split::Test, &rows.test);
    let splits = [train, validation, test];
    let pairs = [(test, train), (test, validation), (validation, train)];
    let shared = pairs
        .into_iter()
        .filter_map(|(split, with)| shared(split, with));
    let mut flaws: Vec<Flaw> = shared.collect();
    let labels = &rows.labels;
    flaws.extend(splits.iter().filter_map(|split| unlabelled(*split, labels)));
    for split in splits {
        flaws.extend(repeated(split));
        flaws.extend(contradictory(split));
    }
    let gold = |row: &&Row| is_labelled(row, labels);
    let trained: HashSet<&str> = answers(rows.train.iter().filter(gold)).collect();
    if trained.len() <= MOST_LABELS && trained.len() * ROWS_PER_LABEL <= rows.train.len() {
        for (split, rows) in [validation, test] {
            flaws.extend(unseen_labels(split, rows.iter().filter(gold), &trained));
        }
        flaws.extend(constant(&rows.test));
    }
    flaws
}

fn shared((split, rows): Rows<'_>, (other, others): Rows<'_>) -> Option<Flaw> {
    let others = answers_by_prompt(others);
    let same_answer = rows.iter().filter_map(|row| {
        let answers = others.get(row.prompt.as_str())?;
        Some(answers.contains(row.answer.as_str()))
    });
    let same_answer: Vec<bool> = same_answer.collect();
    (!same_answer.is_empty()).then(|| Flaw::Shared {
        of: split,
        with: other,
        rows: same_answer.len(),
        same_answer: same_answer.iter().filter(|same| **same).count(),
        all: rows.len(),
    })
}

fn unlabelled((split, rows): Rows<'_>, labels: &[String]) -> Option<Flaw> {
    let without = rows.iter().filter(|row| !is_labelled(row, labels));
    let without = without.count();
    (without > 0).then_some(Flaw::Unlabelled {
        of: split,
        rows: without,
        all: rows.len(),
    })
}

fn repeated((split, rows): Rows<'_>) -> Option<Flaw> {
    let mut seen = HashSet::new();
    let repeated = rows
        .iter()
        .filter(|row| !seen.insert((&row.prompt, &row.answer)));
    let repeated = repeated.count();
    (repeated > 0).then_some(Flaw::Repeated {
        of: split,
        rows: repeated,
        all: rows.len(),
    })
}

fn contradictory((split, rows): Rows<'_>) -> Option<Flaw> {
    let answers = answers_by_prompt(rows);
    let prompts = answers.values().filter(|answers| answers.len() > 1).count();
    (prompts > 0).then_some(Flaw::Contradictory { of: split, prompts })
}

fn unseen_labels<'a>(
    split: Split,
    rows: impl Iterator<Item = &'a Row>,
    trained: &HashSet<&str>,
) -> Option<Flaw> {
    let mut unseen: Vec<&str> = answers(rows)
        .filter(|answer| !trained.contains(answer))
        .collect();
    let rows = unseen.len();
    unseen.sort();
    unseen.dedup();
    (rows > 0).then(|| Flaw::UnseenLabels {
        of: split,
        rows,
        labels: unseen.iter().map(ToString::to_string).collect(),
    })
}

fn answers<'a>(rows: impl Iterator<Item = &'a Row>) -> impl Iterator<Item = &'a str> {
    rows.map(|row| row.answer.trim())
}

fn answers_by_prompt(rows: &[Row]) -> HashMap<&str, HashSet<&str>> {
    let mut answers: HashMap<&str, HashSet<&str>> = HashMap::new();
    for row in rows {
        answers.entry(&row.prompt).or_default().insert(&row.answer);
    }
    answers
}

fn constant(test: &[Row]) -> Option<Flaw> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for answer in answers(test.iter()) {
        *counts.entry(answer).or_default() += 1;
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
