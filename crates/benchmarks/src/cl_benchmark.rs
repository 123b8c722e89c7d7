//! The CL benchmark of O-LoRA: 15 classification tasks, in orders of 4 and of 15 tasks.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::benchmark::{Benchmark, BuiltinFolders, Preset};
use crate::scores::Score;
use crate::suite::{Format, Suite, TaskSpec};

/// The CL benchmark. Its command is called `t5`, after the model that publications train on it.
///
/// # References
///
/// Wang et al., "Orthogonal Subspace Learning for Language Model Continual Learning" (arXiv
/// 2310.14152), and the data and scripts of its repository, cmnfriend/O-LoRA.
#[derive(Clone, Copy, Debug)]
pub struct ClBenchmark;

impl Benchmark for ClBenchmark {
    fn command(&self) -> &'static str {
        "t5"
    }

    fn help(&self) -> &'static str {
        "Learn the tasks of the CL benchmark (5-task and 15-task), or of a suite like it, with an \
         encoder-decoder"
    }

    fn examples(&self) -> &'static [&'static str] {
        &[
            "experiments t5",
            "experiments t5 --order 4 --method seqft,o-lora,osft",
            "experiments t5 --model t5-large --data CL_Benchmark --preset o-lora --order 6",
            "experiments t5 --model t5-large --data CL_Benchmark --preset paper --order 1,2,3",
            "experiments t5 --resume runs/t5-1",
        ]
    }

    fn suite(&self) -> Suite {
        let description = Description::read();
        let task = |(name, released): (&String, &ReleasedTask)| TaskSpec {
            name: name.clone(),
            score: Score::exact_match(),
            max_new_tokens: description.max_new_tokens,
            epochs: 1,
            labels: Vec::new(),
            folder: Some(format!("{}/{name}", released.group)),
            format: Format::Labelled {
                group: released.group.clone(),
                instruction: description.instructions[&released.group].clone(),
            },
        };
        Suite {
            name: description.name.clone(),
            tasks: description.tasks.iter().map(task).collect(),
            orders: description.orders.clone(),
            general: None,
        }
    }

    /// A part of its tasks is enough, because most orders use only a part.
    fn is_in(&self, folder: &Path) -> bool {
        let tasks = self.suite().tasks;
        tasks.iter().any(|task| folder.join(task.path()).is_dir())
    }

    fn layout(&self) -> String {
        "the CL benchmark (TC/dbpedia, SC/amazon, …)".to_string()
    }

    fn released_rows(&self, task: &str) -> Option<(usize, usize)> {
        let description = Description::read();
        let released = description.tasks.get(task)?;
        Some((released.train_rows, released.test_rows))
    }

    fn download(&self) -> Option<&'static str> {
        Some(
            "The CL benchmark is the folder CL_Benchmark of\n    git clone \
             https://github.com/cmnfriend/O-LoRA",
        )
    }

    fn published(&self) -> Option<&'static str> {
        Some(include_str!("../published/cl-benchmark.toml"))
    }

    fn builtin(&self) -> Option<BuiltinFolders> {
        Some(BuiltinFolders {
            suite: "t5-suite",
            model: "t5-model",
        })
    }

    fn settings(&self) -> &'static str {
        include_str!("../settings/t5.toml")
    }

    fn given_settings(&self) -> &'static str {
        include_str!("../settings/t5-given.toml")
    }

    fn presets(&self) -> &'static [Preset] {
        &PRESETS
    }
}

impl Suite {
    /// The suite of [`ClBenchmark`].
    pub fn cl_benchmark() -> Self {
        ClBenchmark.suite()
    }
}

const PRESETS: [Preset; 3] = [
    Preset {
        name: "o-lora",
        help: "The CL benchmark as the scripts of O-LoRA's repository run it",
        settings: include_str!("../settings/o-lora.toml"),
    },
    Preset {
        name: "paper",
        help: "The CL benchmark as the text of the OSFT paper describes it",
        settings: include_str!("../settings/paper.toml"),
    },
    Preset {
        name: "paper-script",
        help: "The CL benchmark as the OSFT authors' T5 script runs it: the decomposed matrices get no \
               gradient, everything else trains",
        settings: include_str!("../settings/paper-script.toml"),
    },
];

/// The content of `suites/cl-benchmark.toml`: tasks and orders as released.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    name: String,
    max_new_tokens: usize,
    orders: Vec<Vec<String>>,
    instructions: BTreeMap<String, String>,
    tasks: BTreeMap<String, ReleasedTask>,
}

/// The released properties of a task; the suite is known without its files.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleasedTask {
    group: String,
    train_rows: usize,
    test_rows: usize,
}

impl Description {
    fn read() -> Self {
        toml::from_str(include_str!("../suites/cl-benchmark.toml"))
            .expect("invariant: a test reads the description")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_name_tasks_of_the_suite_and_the_long_orders_name_all() {
        let suite = ClBenchmark.suite();
        assert_eq!(suite.tasks.len(), 15);
        for number in 1..=9 {
            let tasks = suite.order(&number.to_string());
            let count = tasks.map(|tasks| tasks.len());
            let expected = [4, 4, 4, 15, 15, 15, 5, 5, 5][number - 1];
            assert!(matches!(count, Ok(found) if found == expected), "{number}");
        }
        let tested = |order: &[String]| -> usize {
            let rows = order
                .iter()
                .filter_map(|task| ClBenchmark.released_rows(task));
            rows.map(|(_, test)| test).sum()
        };
        // The totals in the released logs of orders 1 and 6.
        assert_eq!(tested(&suite.orders[0]), 30_400);
        assert_eq!(tested(&suite.orders[5]), 70_861);
        assert_eq!(ClBenchmark.released_rows("SST-3"), None);
    }
}
