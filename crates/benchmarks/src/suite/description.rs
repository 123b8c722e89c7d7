//! Reads the description of a suite from its `suite.json`.

use std::path::Path;

use serde::Deserialize;

use super::{Format, Suite, TaskSpec};
use crate::error::BenchmarkError;
use crate::json::{self, Content};
use crate::scores::Scores;

/// The serialized form of a [`Suite`]; the list of scores gives its score names their meaning.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "struct Suite")]
struct SuiteDescription {
    name: String,
    tasks: Vec<TaskDescription>,
    orders: Vec<Vec<String>>,
    #[serde(default)]
    general: Option<String>,
}

/// The serialized form of a [`TaskSpec`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "struct TaskSpec")]
struct TaskDescription {
    name: String,
    score: String,
    max_new_tokens: usize,
    #[serde(default = "one_epoch")]
    epochs: usize,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    folder: Option<String>,
    #[serde(default)]
    format: Format,
}

fn one_epoch() -> usize {
    1
}

impl Suite {
    /// Reads a description that may use the given scores.
    ///
    /// # Errors
    ///
    /// [`BenchmarkError::Io`], [`BenchmarkError::NotJson`], [`BenchmarkError::Json`],
    /// [`BenchmarkError::UnknownScore`].
    pub(crate) fn read(path: &Path, scores: &Scores) -> Result<Self, BenchmarkError> {
        let description: SuiteDescription = json::read(path, Content::Suite)?;
        let task = |task: TaskDescription| {
            let Some(score) = scores.find(&task.score) else {
                return Err(BenchmarkError::UnknownScore {
                    path: path.to_path_buf(),
                    task: task.name,
                    score: task.score,
                    known: scores.names().join(", "),
                });
            };
            Ok(TaskSpec {
                name: task.name,
                score: score.clone(),
                max_new_tokens: task.max_new_tokens,
                epochs: task.epochs,
                labels: task.labels,
                folder: task.folder,
                format: task.format,
            })
        };
        let tasks = description.tasks.into_iter().map(task);
        Ok(Self {
            name: description.name,
            tasks: tasks.collect::<Result<_, _>>()?,
            orders: description.orders,
            general: description.general,
        })
    }
}
