//! A suite: its tasks, their scores, and the orders in which they are learned.

mod description;
mod order;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::scores::Score;

/// A suite of several tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suite {
    /// Its name in reports.
    pub name: String,
    /// Its tasks.
    pub tasks: Vec<TaskSpec>,
    /// Orders of the tasks by their names; the first one is order 1.
    pub orders: Vec<Vec<String>>,
    /// File with questions about general knowledge, relative to the suite's folder.
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
    /// Maximum length of an answer in tokens.
    pub max_new_tokens: usize,
    /// Number of epochs; 1 if not given.
    pub epochs: usize,
    /// The answers of a task with fixed answers; a row with another answer is an error.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Folder of its rows, relative to the suite's folder; by default the task's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// The file format of its rows.
    #[serde(skip_serializing_if = "Format::is_prompts")]
    pub format: Format,
}

/// The file format of a task's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Format {
    /// TRACE's format: `{train,eval,test}.json` of `{"prompt", "answer"}`.
    #[default]
    Prompts,
    /// The CL benchmark's format: `{train,dev,test}.json` of `{"sentence", "label"}`, and
    /// `labels.json`. The prompt is made from them; its options have the order of the labels.
    Labelled {
        /// Kind of the task, part of the prompt.
        group: String,
        /// The instruction. If it is empty, the prompt lists no options, because the sentence asks
        /// the question.
        #[serde(default)]
        instruction: String,
    },
}

impl Format {
    fn is_prompts(&self) -> bool {
        *self == Self::Prompts
    }

    /// The files of a task's folder.
    pub(crate) fn files(&self) -> &'static str {
        match self {
            Self::Prompts => "train.json, eval.json and test.json",
            Self::Labelled { .. } => "labels.json, train.json, dev.json and test.json",
        }
    }
}

impl TaskSpec {
    /// The folder of its rows, relative to the suite's folder.
    pub fn path(&self) -> &Path {
        Path::new(self.folder.as_ref().unwrap_or(&self.name))
    }
}
