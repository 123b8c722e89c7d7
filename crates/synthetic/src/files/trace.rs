//! The built-in suite of `trace` as files.

use std::collections::BTreeMap;

use benchmarks::{Format, Score, Scores, Suite, TaskSpec};

use super::{SuiteFiles, json};
use crate::error::SyntheticError;
use crate::suite::{Sizes, generate};

/// Epochs of each task: what it takes to learn it, as TRACE's
/// epochs differ from task to task.
const EPOCHS: [(&str, usize); 8] = [
    ("stance", 3),
    ("tone", 3),
    ("summary", 5),
    ("code", 4),
    ("choice", 10),
    ("sums", 5),
    ("shares", 5),
    ("simplify", 5),
];

/// Tasks whose answers are the letters of options in the prompt.
const LETTERS: [&str; 2] = ["stance", "tone"];

/// Every file of a suite by its relative path, in order.
pub(super) fn files(seed: u64) -> Result<SuiteFiles, SyntheticError> {
    let generated = generate(seed, &Sizes::default());
    let mut files = BTreeMap::new();
    let mut tasks = Vec::new();
    for task in &generated.tasks {
        tasks.push(TaskSpec {
            name: task.name.to_string(),
            score: score(task.name, task.score)?,
            max_new_tokens: task.max_new_tokens,
            epochs: epochs(task.name)?,
            labels: match LETTERS.contains(&task.name) {
                true => ["A", "B", "C"].map(String::from).to_vec(),
                false => Vec::new(),
            },
            folder: None,
            format: Format::Prompts,
        });
        for (split, rows) in [
            ("train", &task.train),
            ("eval", &task.validation),
            ("test", &task.test),
        ] {
            files.insert(format!("{}/{split}.json", task.name), json(rows)?);
        }
    }
    let names = |tasks: &[TaskSpec]| tasks.iter().map(|task| task.name.clone()).collect();
    let reversed: Vec<TaskSpec> = tasks.iter().rev().cloned().collect();
    let suite = Suite {
        name: match seed {
            0 => "built-in suite".to_string(),
            _ => format!("built-in suite, seed {seed}"),
        },
        orders: vec![names(&tasks), names(&reversed)],
        tasks,
        general: Some("general.json".to_string()),
    };
    files.insert("suite.json".to_string(), json(&suite)?);
    files.insert("general.json".to_string(), json(&generated.probe)?);
    Ok(files)
}

fn epochs(task: &str) -> Result<usize, SyntheticError> {
    let found = EPOCHS.iter().find(|(name, _)| *name == task);
    let found = found.map(|(_, epochs)| *epochs);
    found.ok_or_else(|| incomplete(task, "epochs"))
}

/// The scores of the generator are named as in a `suite.json`.
fn score(task: &str, name: &str) -> Result<Score, SyntheticError> {
    let scores = Scores::builtin();
    let score = scores.find(name).cloned();
    score.ok_or_else(|| incomplete(task, "score of that name"))
}

fn incomplete(task: &str, what: &'static str) -> SyntheticError {
    SyntheticError::Incomplete {
        task: task.to_string(),
        what,
    }
}
