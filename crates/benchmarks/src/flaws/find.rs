//! Finds the flaws of a task's rows.

use std::collections::{HashMap, HashSet};

use super::{Flaw, Split, is_labelled};
use crate::load::{Row, TaskRows};

/// Answers that make a task one of fixed answers: no more than these in the training rows.
const MOST_LABELS: usize = 20;
/// Rows per label that make a task one of fixed answers.
const ROWS_PER_LABEL: usize = 10;
/// A constant answer that scores as much as this is worth a word.
const CONSTANT_PERCENT: usize = 60;

/// A split with its rows.
type Rows<'a> = (Split, &'a [Row]);

/// All flaws of a task's rows.
pub fn flaws(rows: &TaskRows) -> Vec<Flaw> {
    let train: Rows<'_> = (Split::Train, &rows.train);
    let validation: Rows<'_> = (Split::Validation, &rows.validation);
    let test: Rows<'_> = (Split::Test, &rows.test);
    let splits = [train, validation, test];
    let pairs = [(test, train), (test, validation), (validation, train)];
    let shared = pairs.into_iter().filter_map(|(of, with)| shared(of, with));
    let mut found: Vec<Flaw> = shared.collect();
    let labels = &rows.labels;
    found.extend(splits.iter().filter_map(|split| unlabelled(*split, labels)));
    for split in splits {
        found.extend(repeated(split));
        found.extend(contradictory(split));
    }
    let gold = |row: &&Row| is_labelled(row, labels);
    let trained: HashSet<&str> = answers(rows.train.iter().filter(gold)).collect();
    if trained.len() <= MOST_LABELS && trained.len() * ROWS_PER_LABEL <= rows.train.len() {
        for (of, rows) in [validation, test] {
            found.extend(unseen_labels(of, rows.iter().filter(gold), &trained));
        }
        found.extend(constant(&rows.test));
    }
    found
}

fn shared((of, rows): Rows<'_>, (with, others): Rows<'_>) -> Option<Flaw> {
    let others = answers_by_prompt(others);
    let same = rows.iter().filter_map(|row| {
        let answers = others.get(row.prompt.as_str())?;
        Some(answers.contains(row.answer.as_str()))
    });
    let same: Vec<bool> = same.collect();
    (!same.is_empty()).then(|| Flaw::Shared {
        of,
        with,
        rows: same.len(),
        same_answer: same.iter().filter(|same| **same).count(),
        all: rows.len(),
    })
}

fn unlabelled((of, rows): Rows<'_>, labels: &[String]) -> Option<Flaw> {
    let without = rows.iter().filter(|row| !is_labelled(row, labels));
    let without = without.count();
    (without > 0).then_some(Flaw::Unlabelled {
        of,
        rows: without,
        all: rows.len(),
    })
}

fn repeated((of, rows): Rows<'_>) -> Option<Flaw> {
    let mut seen = HashSet::new();
    let again = rows
        .iter()
        .filter(|row| !seen.insert((&row.prompt, &row.answer)));
    let again = again.count();
    (again > 0).then_some(Flaw::Repeated {
        of,
        rows: again,
        all: rows.len(),
    })
}

fn contradictory((of, rows): Rows<'_>) -> Option<Flaw> {
    let answers = answers_by_prompt(rows);
    let prompts = answers.values().filter(|answers| answers.len() > 1).count();
    (prompts > 0).then_some(Flaw::Contradictory { of, prompts })
}

fn unseen_labels<'a>(
    of: Split,
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
        of,
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
