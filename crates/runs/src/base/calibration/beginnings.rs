//! Beginnings of real texts, which the model continues.

use std::path::Path;

use anyhow::Result;
use continual::Task;
use lm::TextTokenizer;

use super::read::{content, texts};
use crate::data::PreparedTasks;

/// The first `length` tokens of at most `rows` lines of a text file, at even distances.
///
/// # Errors
///
/// If the file cannot be read or has no text.
pub(super) fn of_text(
    path: &Path,
    tokenizer: &TextTokenizer,
    rows: usize,
    length: usize,
) -> Result<Vec<Vec<u32>>> {
    let text = content(path)?;
    let lines = texts(path, &text)?;
    let count = rows.min(lines.len());
    let places = (0..count).map(|index| index * lines.len() / count);
    let beginnings = places.map(|line| {
        let tokens = tokenizer.encode(lines[line], true)?;
        Ok(beginning(tokens, length, tokenizer))
    });
    let beginnings = beginnings.collect::<Result<Vec<_>>>()?;
    Ok(with_a_token(beginnings))
}

/// The first `length` tokens of prompts of the tasks' training rows, without their answers: of every task as many,
/// at even distances, and in turn. The order of the tasks changes nothing.
///
/// # Errors
///
/// If a row cannot be read.
pub(super) fn of_tasks(
    orders: &[PreparedTasks],
    tokenizer: &TextTokenizer,
    rows: usize,
    length: usize,
) -> Result<Vec<Vec<u32>>> {
    let mut tasks: Vec<&Task> = orders.iter().flat_map(|order| &order.tasks).collect();
    tasks.sort_by(|a, b| a.name.cmp(&b.name));
    tasks.dedup_by(|a, b| a.name == b.name);
    let per_task = rows.div_ceil(tasks.len().max(1));
    let mut beginnings = Vec::new();
    for index in 0..per_task {
        for task in &tasks {
            let all = task.train.len();
            let count = per_task.min(all);
            if index < count && beginnings.len() < rows {
                let prompt = task.train.get(index * all / count)?.prompt;
                beginnings.push(beginning(prompt, length, tokenizer));
            }
        }
    }
    Ok(with_a_token(beginnings))
}

/// The first tokens of a text, without the tokens that end it.
fn beginning(mut tokens: Vec<u32>, length: usize, tokenizer: &TextTokenizer) -> Vec<u32> {
    let ends = tokenizer.stop_tokens();
    let kept = tokens.iter().rposition(|token| !ends.contains(token));
    tokens.truncate(kept.map_or(0, |last| last + 1).min(length));
    tokens
}

fn with_a_token(mut beginnings: Vec<Vec<u32>>) -> Vec<Vec<u32>> {
    beginnings.retain(|beginning| !beginning.is_empty());
    beginnings
}
