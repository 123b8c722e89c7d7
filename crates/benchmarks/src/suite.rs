//! A suite: its tasks, how each is scored, and the orders they are learned in.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{BenchmarkError, Content, Score, cl_benchmark, json, trace};

/// A benchmark of several tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Its name in reports.
    pub name: String,
    /// Its tasks.
    pub tasks: Vec<TaskSpec>,
    /// Orders of the tasks by name; the first one is order 1.
    pub orders: Vec<Vec<String>>,
    /// File with rows that probe general knowledge, relative to the suite's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub general: Option<String>,
}

/// A task of a suite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskSpec {
    /// Name of the task and of its folder.
    pub name: String,
    /// How answers are scored.
    pub score: Score,
    /// Longest answer in tokens.
    pub max_new_tokens: usize,
    /// Passes over the training rows; 1 if not given.
    #[serde(default = "once")]
    pub epochs: usize,
    /// The answers there are, in a task of fixed ones; a row with another one is an error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Folder of its rows, relative to that of the suite; called as the task if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// How its rows are on disk.
    #[serde(default, skip_serializing_if = "Format::is_prompts")]
    pub format: Format,
}

/// How the rows of a task are on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Format {
    /// TRACE's: `{train,eval,test}.json` of `{"prompt", "answer"}`.
    #[default]
    Prompts,
    /// The CL benchmark's: `{train,dev,test}.json` of `{"sentence", "label"}`, and `labels.json`, whose
    /// order is that of the options in the prompt, which is made here.
    Labelled {
        /// Kind of the task, named in the prompt.
        group: String,
        /// What is asked; without one the options are not listed, since the sentence asks.
        #[serde(default)]
        instruction: String,
    },
}

impl Format {
    fn is_prompts(&self) -> bool {
        *self == Self::Prompts
    }

    /// What a task's folder holds.
    pub(crate) fn files(&self) -> &'static str {
        match self {
            Self::Prompts => "train.json, eval.json and test.json",
            Self::Labelled { .. } => "labels.json, train.json, dev.json and test.json",
        }
    }
}

impl TaskSpec {
    /// Folder of its rows, relative to that of the suite.
    pub fn path(&self) -> &Path {
        Path::new(self.folder.as_ref().unwrap_or(&self.name))
    }
}

fn once() -> usize {
    1
}

impl Suite {
    /// The suite in a folder: the one its `suite.json` describes, or TRACE or the CL benchmark if
    /// their folders are there.
    ///
    /// # Errors
    ///
    /// [`BenchmarkError::NotASuite`] if it is neither, [`BenchmarkError::NotJson`] or
    /// [`BenchmarkError::Json`] if the description cannot be read.
    pub fn open(folder: &Path) -> Result<Self, BenchmarkError> {
        let description = folder.join("suite.json");
        if description.is_file() {
            return json::read(&description, Content::Suite);
        }
        let suite = trace::suite();
        if suite
            .tasks
            .iter()
            .all(|task| folder.join(&task.name).is_dir())
        {
            return Ok(suite);
        }
        if cl_benchmark::is_in(folder) {
            return Ok(cl_benchmark::suite());
        }
        let entries = std::fs::read_dir(folder).map_err(|source| BenchmarkError::Io {
            path: folder.to_path_buf(),
            source,
        })?;
        let mut found: Vec<String> = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        found.sort();
        Err(BenchmarkError::NotASuite {
            path: folder.to_path_buf(),
            expected: names(&suite.tasks),
            found: match found.is_empty() {
                true => "nothing".to_string(),
                false => found.join(", "),
            },
        })
    }

    /// TRACE, with its orders and epochs.
    pub fn trace() -> Self {
        trace::suite()
    }

    /// The CL benchmark of O-LoRA, with its orders.
    pub fn cl_benchmark() -> Self {
        cl_benchmark::suite()
    }

    /// The tasks in an order: `1`, `2`, … for a stored one, or names separated by commas, which
    /// may leave tasks out.
    ///
    /// # Errors
    ///
    /// [`BenchmarkError::UnknownOrder`], [`BenchmarkError::UnknownTask`],
    /// [`BenchmarkError::RepeatedTask`].
    pub fn order(&self, order: &str) -> Result<Vec<&TaskSpec>, BenchmarkError> {
        let names: Vec<&str> = match order.trim().parse::<usize>() {
            Ok(number) => {
                let stored = number
                    .checked_sub(1)
                    .and_then(|index| self.orders.get(index));
                let stored = stored.ok_or_else(|| BenchmarkError::UnknownOrder {
                    suite: self.name.clone(),
                    order: number,
                    stored: self.orders.len(),
                })?;
                stored.iter().map(String::as_str).collect()
            }
            Err(_) => order.split(',').map(str::trim).collect(),
        };
        let mut tasks: Vec<&TaskSpec> = Vec::new();
        for name in names {
            let task = self.tasks.iter().find(|task| task.name == name);
            let task = task.ok_or_else(|| self.unknown(name))?;
            if tasks.iter().any(|other| other.name == name) {
                return Err(BenchmarkError::RepeatedTask {
                    order: order.to_string(),
                    name: name.to_string(),
                });
            }
            tasks.push(task);
        }
        Ok(tasks)
    }

    fn unknown(&self, name: &str) -> BenchmarkError {
        let likeness = |task: &TaskSpec| {
            let (a, b) = (task.name.to_lowercase(), name.to_lowercase());
            rapidfuzz::distance::indel::normalized_similarity(a.chars(), b.chars())
        };
        let nearest = self
            .tasks
            .iter()
            .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
            .filter(|task| likeness(task) > 0.5);
        BenchmarkError::UnknownTask {
            suite: self.name.clone(),
            name: name.to_string(),
            known: names(&self.tasks),
            suggestion: nearest.map(|task| task.name.clone()),
        }
    }
}

fn names(tasks: &[TaskSpec]) -> String {
    let names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
    names.join(", ")
}
