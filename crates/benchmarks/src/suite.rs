//! A suite: its tasks, how each is scored, and the orders they are learned in.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{BenchmarkError, Score, trace};

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
    /// How often the training rows are gone through; 1 if not given.
    #[serde(default = "once")]
    pub epochs: usize,
    /// The answers there are, in a task of fixed ones; a row with another one is an error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

fn once() -> usize {
    1
}

impl Suite {
    /// The suite in a folder: the one its `suite.json` describes, or TRACE if its folders are
    /// there.
    ///
    /// # Errors
    ///
    /// [`BenchmarkError::NotASuite`] if it is neither, [`BenchmarkError::Json`] if the
    /// description cannot be read.
    pub fn open(folder: &Path) -> Result<Self, BenchmarkError> {
        let description = folder.join("suite.json");
        if description.is_file() {
            let text =
                std::fs::read_to_string(&description).map_err(|source| BenchmarkError::Io {
                    path: description.clone(),
                    source,
                })?;
            return serde_json::from_str(&text).map_err(|error| BenchmarkError::Json {
                path: description,
                reason: error.to_string(),
            });
        }
        let suite = trace::suite();
        if suite
            .tasks
            .iter()
            .all(|task| folder.join(&task.name).is_dir())
        {
            return Ok(suite);
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
