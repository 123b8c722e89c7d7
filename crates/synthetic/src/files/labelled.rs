//! The built-in suite of `t5` as files: the layout of the CL benchmark, described by a `suite.json`.

use std::collections::BTreeMap;

use benchmarks::{Format, Score, Suite, TaskSpec};

use super::{SuiteFiles, json};
use crate::error::SyntheticError;
use crate::miniature::{self, ORDERS, generate};
use crate::suite::{self, Sizes};

/// Epochs of each task.
const EPOCHS: usize = 4;
/// Longest label in tokens, and some room.
const NEW_TOKENS: usize = 12;

/// Every file of a suite by its relative path, in order.
pub(super) fn files(seed: u64) -> Result<SuiteFiles, SyntheticError> {
    let mut files = BTreeMap::new();
    let mut tasks = Vec::new();
    for task in generate(seed) {
        let folder = format!("{}/{}", task.group, task.name);
        let instruction = miniature::instruction(&task);
        let instruction = instruction.ok_or_else(|| SyntheticError::Incomplete {
            task: task.name.to_string(),
            what: "instruction",
        })?;
        for (file, rows) in [
            ("train", &task.train),
            ("dev", &task.validation),
            ("test", &task.test),
        ] {
            files.insert(format!("{folder}/{file}.json"), json(rows)?);
        }
        files.insert(format!("{folder}/labels.json"), json(&task.labels)?);
        tasks.push(TaskSpec {
            name: task.name.to_string(),
            score: Score::exact_match(),
            max_new_tokens: NEW_TOKENS,
            epochs: EPOCHS,
            labels: Vec::new(),
            folder: Some(folder),
            format: Format::Labelled {
                group: task.group.to_string(),
                instruction: instruction.to_string(),
            },
        });
    }
    let names = |order: &&[&str]| order.iter().map(ToString::to_string).collect();
    let suite = Suite {
        name: match seed {
            0 => "built-in CL suite".to_string(),
            _ => format!("built-in CL suite, seed {seed}"),
        },
        tasks,
        orders: ORDERS.iter().map(names).collect(),
        general: Some("general.json".to_string()),
    };
    files.insert("suite.json".to_string(), json(&suite)?);
    // What the base model knows beside the tasks is the same in both suites.
    let probe = suite::generate(seed, &Sizes::default()).probe;
    files.insert("general.json".to_string(), json(&probe)?);
    Ok(files)
}
