//! Rows without a flaw.

#![allow(dead_code)]

use benchmarks::{Row, TaskRows};

pub fn row(prompt: impl ToString, answer: &str) -> Row {
    Row {
        prompt: prompt.to_string(),
        answer: answer.to_string(),
    }
}

/// Rows whose prompts are consecutive numbers from `first`, with three answers in turn.
pub fn rows(first: usize, count: usize) -> Vec<Row> {
    let labels = ["A", "B", "C"];
    (first..first + count)
        .map(|n| row(n, labels[n % 3]))
        .collect()
}

pub fn clean() -> TaskRows {
    TaskRows {
        labels: Vec::new(),
        train: rows(0, 60),
        validation: rows(100, 20),
        test: rows(200, 30),
    }
}
