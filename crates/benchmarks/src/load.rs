//! Reads the rows of a task from its files.

use std::io::ErrorKind;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::BenchmarkError;
use crate::json::{self, Content, ReadError};
use crate::suite::{Format, TaskSpec};

/// One row of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The prompt, with instruction and closing cue.
    pub prompt: String,
    /// The expected answer; it follows the prompt directly.
    pub answer: String,
}

/// The rows of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskRows {
    /// Rows to learn from.
    pub train: Vec<Row>,
    /// Rows to choose settings with: `eval.json` or `dev.json`.
    pub validation: Vec<Row>,
    /// Rows for reported scores.
    pub test: Vec<Row>,
    /// The answers of a task with fixed answers; otherwise empty.
    pub labels: Vec<String>,
}

/// MNLI's label of rows on which the annotators did not agree.
const NO_GOLD_LABEL: &str = "-";

/// Reads the three splits of a task of the suite in `folder`.
///
/// Rows of the CL benchmark without a gold label are included, with their label.
///
/// # Errors
///
/// The errors of [`load_rows`], and [`BenchmarkError::UnknownLabel`] if the task has fixed answers
/// and a row has another answer.
pub fn load_task(folder: &Path, task: &TaskSpec) -> Result<TaskRows, BenchmarkError> {
    let folder = folder.join(task.path());
    let (keys, validation) = match task.format {
        Format::Prompts => (["prompt", "answer"], "eval.json"),
        Format::Labelled { .. } => (["sentence", "label"], "dev.json"),
    };
    let mut labels = task.labels.clone();
    if matches!(task.format, Format::Labelled { .. }) && labels.is_empty() {
        let path = folder.join("labels.json");
        labels = read_json(&path, Content::Labels, task.format.files())?;
    }
    let split = |name: &str| {
        let path = folder.join(name);
        let rows = read_rows(&path, keys, task.format.files())?;
        let unknown = |row: &Row| {
            let answer = row.answer.trim();
            let gold = answer != NO_GOLD_LABEL || task.format == Format::Prompts;
            gold && !labels.iter().any(|label| label == answer)
        };
        match rows.iter().position(unknown) {
            Some(row) if !labels.is_empty() => Err(BenchmarkError::UnknownLabel {
                path,
                row,
                found: rows[row].answer.clone(),
                labels: labels.join(", "),
            }),
            _ => Ok(rows
                .into_iter()
                .map(|row| with_question(row, task, &labels))
                .collect()),
        }
    };
    Ok(TaskRows {
        train: split("train.json")?,
        validation: split(validation)?,
        test: split("test.json")?,
        labels,
    })
}

/// Makes the prompt of a labelled sentence: the sentence with question and options.
///
/// # References
///
/// `src/uie_dataset_lora.py` and the configurations of cmnfriend/O-LoRA, with task name, data set
/// name and instruction as in its T5 scripts.
fn with_question(row: Row, task: &TaskSpec, labels: &[String]) -> Row {
    let Format::Labelled { group, instruction } = &task.format else {
        return row;
    };
    let Row {
        prompt: sentence,
        answer,
    } = row;
    let name = &task.name;
    // The benchmark has this space before the line break.
    let question = match instruction.as_str() {
        "" => String::new(),
        text => format!("{text}\nOption: {} \n", labels.join(", ")),
    };
    Row {
        prompt: format!("Task:{group}\nDataset:{name}\n{question}{sentence}\nAnswer:"),
        answer,
    }
}

/// Reads a JSON array of rows; keys other than `prompt` and `answer` are ignored.
///
/// # Errors
///
/// [`BenchmarkError::MissingFile`], [`BenchmarkError::NotJson`] with the file's format,
/// [`BenchmarkError::Json`] with line and column, [`BenchmarkError::Row`] with the index of a row
/// that lacks a key or an answer, [`BenchmarkError::Empty`].
pub fn load_rows(path: &Path) -> Result<Vec<Row>, BenchmarkError> {
    read_rows(path, ["prompt", "answer"], Format::Prompts.files())
}

fn read_rows(
    path: &Path,
    keys: [&str; 2],
    files: &'static str,
) -> Result<Vec<Row>, BenchmarkError> {
    let json = read_json(path, Content::Rows, files)?;
    let Value::Array(values) = json else {
        return Err(BenchmarkError::Json {
            path: path.to_path_buf(),
            reason: format!("expected an array of rows, found {}", kind(&json)),
        });
    };
    if values.is_empty() {
        return Err(BenchmarkError::Empty {
            path: path.to_path_buf(),
        });
    }
    values
        .into_iter()
        .enumerate()
        .map(|(index, value)| {
            row(value, keys).map_err(|reason| BenchmarkError::Row {
                path: path.to_path_buf(),
                row: index,
                reason,
            })
        })
        .collect()
}

fn read_json<T: DeserializeOwned>(
    path: &Path,
    content: Content,
    files: &'static str,
) -> Result<T, BenchmarkError> {
    json::read(path, content).map_err(|error| match error {
        ReadError::Io { path, source } if source.kind() == ErrorKind::NotFound => {
            BenchmarkError::MissingFile { path, files }
        }
        other => other.into(),
    })
}

fn row(value: Value, [prompt, answer]: [&str; 2]) -> Result<Row, String> {
    let Value::Object(mut object) = value else {
        return Err(format!("expected an object, found {}", kind(&value)));
    };
    let mut text = |key: &str| match object.remove(key) {
        // Generation needs a prompt, and an empty answer would always score 0.
        Some(Value::String(text)) if text.is_empty() => Err(format!("{key:?} is empty")),
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(format!("{key:?} must be a string, found {}", kind(&other))),
        None => Err(format!("the key {key:?} is missing")),
    };
    Ok(Row {
        prompt: text(prompt)?,
        answer: text(answer)?,
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
