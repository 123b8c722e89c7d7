//! `osft` end to end: a folder of a model and files of rows in, a folder of a model out.

#![allow(clippy::unwrap_used)]

mod adapter;
mod bad_rows;
mod evaluate;
mod files;
mod later;
mod mistakes;
mod moments;
mod page;
mod places;
mod plan;
mod sequence;
mod stopped;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

/// The repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The built-in model.
pub fn model() -> PathBuf {
    repository().join("datasets/builtin/model")
}

/// The program.
pub fn osft() -> Command {
    Command::new(env!("CARGO_BIN_EXE_osft"))
}

/// Runs the program with some arguments.
pub fn run(arguments: &[&str]) -> Output {
    osft().args(arguments).output().unwrap()
}

/// Standard output and standard error, together.
pub fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// Runs the program and expects it to succeed.
pub fn succeed(arguments: &[&str]) -> String {
    let output = run(arguments);
    let said = said(&output);
    assert!(output.status.success(), "{arguments:?}: {said}");
    said
}

/// Rows of a task of the built-in suite, with prompt and answer.
pub fn rows(task: &str, split: &str, count: usize) -> Vec<Value> {
    let file = repository().join(format!("datasets/builtin/suite/{task}/{split}.json"));
    let rows: Vec<Value> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let rows = rows.into_iter().take(count);
    rows.map(|row| json!({"prompt": row["prompt"], "answer": row["answer"]}))
        .collect()
}

/// Writes rows as JSONL and returns the path.
pub fn jsonl(folder: &Path, name: &str, rows: &[Value]) -> String {
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    let path = folder.join(name);
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    text(&path)
}

/// A path as an argument.
pub fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Every weight of a model folder, by name.
pub fn weights(folder: &Path) -> Vec<(String, Vec<f32>)> {
    let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut weights: Vec<(String, Vec<f32>)> = file
        .iter()
        .map(|(name, view)| {
            assert_eq!(view.dtype(), safetensors::Dtype::F32, "{name}");
            let (chunks, _) = view.data().as_chunks::<4>();
            let values = chunks.iter().map(|bytes| f32::from_le_bytes(*bytes));
            (name.to_string(), values.collect())
        })
        .collect();
    weights.sort_by(|a, b| a.0.cmp(&b.0));
    weights
}

/// The largest difference of any weight.
pub fn largest_difference(a: &Path, b: &Path) -> f32 {
    let (a, b) = (weights(a), weights(b));
    assert_eq!(a.len(), b.len());
    let mut largest = 0.0_f32;
    for ((name, a), (other, b)) in a.iter().zip(&b) {
        assert_eq!((name, a.len()), (other, b.len()));
        for (a, b) in a.iter().zip(b) {
            largest = largest.max((a - b).abs());
        }
    }
    largest
}
