//! A suite: its tasks, how each is scored, and the orders they are learned in.

mod description;
mod order;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::scores::Score;

/// A benchmark of several tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suite {
    /// Its name in reports.
    pub name: String,
    /// Its tasks.
    pub tasks: Vec<TaskSpec>,
    /// Orders of the tasks by name; the first one is order 1.
    pub orders: Vec<Vec<String>>,
    /// File with rows that probe general knowledge, relative to the suite's folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub general: Option<String>,
}

/// A task of a suite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TaskSpec {
    /// Name of the task and of its folder.
    pub name: String,
    /// How answers are scored.
    pub score: Score,
    /// Longest answer in tokens.
    pub max_new_tokens: usize,
    /// Epochs; 1 if not given.
    pub epochs: usize,
    /// The answers there are, in a task of fixed ones; a row with another one is an error.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Folder of its rows, relative to that of the suite; called as the task if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// How its rows are on disk.
    #[serde(skip_serializing_if = "Format::is_prompts")]
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
