//! Rows as they are on disk.

use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{BenchmarkError, TaskSpec};

/// One row: a prompt, instruction and closing cue included, and the expected answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// What the model is given.
    pub prompt: String,
    /// What it should continue with; nothing stands between the two.
    pub answer: String,
}

/// The rows of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRows {
    /// `train.json`
    pub train: Vec<Row>,
    /// `eval.json`
    pub validation: Vec<Row>,
    /// `test.json`
    pub test: Vec<Row>,
}

/// Reads the three splits of a task of the suite in `folder`.
///
/// # Errors
///
/// As [`load_rows`], and [`BenchmarkError::UnknownLabel`] if the task has fixed answers and a row has
/// another one.
pub fn load_task(folder: &Path, task: &TaskSpec) -> Result<TaskRows, BenchmarkError> {
    let split = |name: &str| {
        let path = folder.join(&task.name).join(name);
        let rows = load_rows(&path)?;
        let unknown = |row: &Row| !task.labels.iter().any(|label| label == row.answer.trim());
        match rows.iter().position(unknown) {
            Some(row) if !task.labels.is_empty() => Err(BenchmarkError::UnknownLabel {
                path,
                row,
                found: rows[row].answer.clone(),
                labels: task.labels.join(", "),
            }),
            _ => Ok(rows),
        }
    };
    Ok(TaskRows {
        train: split("train.json")?,
        validation: split("eval.json")?,
        test: split("test.json")?,
    })
}

/// Reads one JSON array of rows; keys beside `prompt` and `answer` are ignored.
///
/// # Errors
///
/// [`BenchmarkError::MissingFile`], [`BenchmarkError::Json`] with line and column,
/// [`BenchmarkError::Row`] with the index of a row that lacks a key or has no answer,
/// [`BenchmarkError::Empty`].
pub fn load_rows(path: &Path) -> Result<Vec<Row>, BenchmarkError> {
    let file = File::open(path).map_err(|source| match source.kind() {
        ErrorKind::NotFound => BenchmarkError::MissingFile {
            path: path.to_path_buf(),
        },
        _ => BenchmarkError::Io {
            path: path.to_path_buf(),
            source,
        },
    })?;
    let json: Value =
        serde_json::from_reader(BufReader::new(file)).map_err(|error| BenchmarkError::Json {
            path: path.to_path_buf(),
            reason: error.to_string(),
        })?;
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
            row(value).map_err(|reason| BenchmarkError::Row {
                path: path.to_path_buf(),
                row: index,
                reason,
            })
        })
        .collect()
}

fn row(value: Value) -> Result<Row, String> {
    let Value::Object(mut object) = value else {
        return Err(format!("expected an object, found {}", kind(&value)));
    };
    let mut text = |key: &str| match object.remove(key) {
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(format!("{key:?} must be a string, found {}", kind(&other))),
        None => Err(format!("the key {key:?} is missing")),
    };
    let row = Row {
        prompt: text("prompt")?,
        answer: text("answer")?,
    };
    // Generation has to start from something, and an empty answer scores 0 whatever is said.
    for (key, text) in [("prompt", &row.prompt), ("answer", &row.answer)] {
        if text.is_empty() {
            return Err(format!("{key:?} is empty"));
        }
    }
    Ok(row)
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
