//! The CL benchmark of O-LoRA: 15 classification tasks, orders of 4 and of 15.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::{Format, Score, Suite, TaskSpec};

const DESCRIPTION: &str = include_str!("../suites/cl-benchmark.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    name: String,
    max_new_tokens: usize,
    orders: Vec<Vec<String>>,
    instructions: BTreeMap<String, String>,
    tasks: BTreeMap<String, Known>,
}

/// What is known of a task without its files.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    group: String,
    train_rows: usize,
    test_rows: usize,
}

fn description() -> Description {
    toml::from_str(DESCRIPTION).expect("invariant: a test reads the description")
}

/// # References
///
/// Wang et al., "Orthogonal Subspace Learning for Language Model Continual Learning" (arXiv
/// 2310.14152), and the data and scripts of its repository, cmnfriend/O-LoRA.
pub(crate) fn suite() -> Suite {
    let description = description();
    let task = |(name, known): (&String, &Known)| TaskSpec {
        name: name.clone(),
        score: Score::ExactMatch,
        max_new_tokens: description.max_new_tokens,
        epochs: 1,
        labels: Vec::new(),
        folder: Some(format!("{}/{name}", known.group)),
        format: Format::Labelled {
            group: known.group.clone(),
            instruction: description.instructions[&known.group].clone(),
        },
    };
    Suite {
        name: description.name.clone(),
        tasks: description.tasks.iter().map(task).collect(),
        orders: description.orders.clone(),
        general: None,
    }
}

/// Training and test rows of a task's released files.
pub fn released_rows(task: &str) -> Option<(usize, usize)> {
    let description = description();
    let known = description.tasks.get(task)?;
    Some((known.train_rows, known.test_rows))
}

/// Whether a folder holds files of the benchmark; a part of them suffices for most orders.
pub(crate) fn is_in(folder: &Path) -> bool {
    let suite = suite();
    let mut tasks = suite.tasks.iter();
    tasks.any(|task| folder.join(task.path()).is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_hold_known_tasks_and_the_long_ones_all_of_them() {
        let suite = suite();
        assert_eq!(suite.tasks.len(), 15);
        for number in 1..=9 {
            let tasks = suite.order(&number.to_string());
            let count = tasks.map(|tasks| tasks.len());
            let expected = [4, 4, 4, 15, 15, 15, 5, 5, 5][number - 1];
            assert!(matches!(count, Ok(found) if found == expected), "{number}");
        }
        let tested = |order: &[String]| -> usize {
            let rows = order.iter().filter_map(|task| released_rows(task));
            rows.map(|(_, test)| test).sum()
        };
        // The totals that the released logs of orders 1 and 6 give.
        assert_eq!(tested(&suite.orders[0]), 30_400);
        assert_eq!(tested(&suite.orders[5]), 70_861);
        assert_eq!(released_rows("SST-3"), None);
    }
}
