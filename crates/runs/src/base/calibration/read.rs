//! Rows from files: texts, and questions with answers.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use continual::{SampleSize, tokens_of};
use lm::{Example, TextTokenizer};
use serde::Deserialize;

/// Reads lines at even distances from a text file, and truncates each to its first `tokens` tokens.
///
/// # Errors
///
/// If the file cannot be read or has no text.
pub fn read_text(
    path: &Path,
    tokenizer: &TextTokenizer,
    size: SampleSize,
    tokens: usize,
) -> Result<Vec<Example>> {
    let text = content(path)?;
    let lines = texts(path, &text)?;
    at_even_distances(lines.len(), size, tokens, |line, index| {
        Ok(tokenizer.text(lines[line], tokens, index as u64)?)
    })
}

/// A question with its answer, one line of a JSONL file.
#[derive(Deserialize)]
struct Answered {
    prompt: String,
    answer: String,
}

/// Reads questions with answers, at even distances, from a file with an object `{"prompt": …, "answer": …}` on
/// every line; other fields are allowed. Rows are cut to `max_length` tokens as the rows of a task are.
///
/// # Errors
///
/// If the file cannot be read or has no question, or a line is no such object.
pub(super) fn read_questions(
    path: &Path,
    tokenizer: &TextTokenizer,
    size: SampleSize,
    max_length: usize,
) -> Result<Vec<Example>> {
    let text = content(path)?;
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    let rows: Result<Vec<Answered>> = lines
        .map(|(number, line)| {
            serde_json::from_str(line).with_context(|| {
                format!(
                    "line {} of {} must be an object with the texts \"prompt\" and \"answer\"",
                    number + 1,
                    path.display()
                )
            })
        })
        .collect();
    let rows = rows?;
    ensure!(
        !rows.is_empty(),
        "{} has no question to calibrate on",
        path.display()
    );
    at_even_distances(rows.len(), size, max_length, |row, _| {
        let Answered { prompt, answer } = &rows[row];
        Ok(tokenizer.example(prompt, answer, max_length)?)
    })
}

/// The lines of a text that are not blank.
///
/// # Errors
///
/// If there is none.
pub(super) fn texts<'a>(path: &Path, text: &'a str) -> Result<Vec<&'a str>> {
    let lines = text.lines();
    let lines: Vec<&str> = lines.filter(|line| !line.trim().is_empty()).collect();
    ensure!(
        !lines.is_empty(),
        "the calibration text {} has no line with text",
        path.display()
    );
    Ok(lines)
}

/// # Errors
///
/// If the file cannot be read as UTF-8.
pub(super) fn content(path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the calibration text {}", path.display()))
}

/// The name of a file, for reports.
pub(super) fn file_name(path: &Path) -> String {
    let name = path.file_name();
    name.map_or_else(|| "text".into(), |name| name.to_string_lossy().into_owned())
}

/// Rows at even distances among `all`, of at most `tokens` tokens each. `read` gets the row's place in the file and
/// in the sample.
///
/// Where tokens are asked for, so many rows are taken that they have them: how long rows are is only known once
/// they are read. The sample then ends with the row that completes it.
fn at_even_distances(
    all: usize,
    size: SampleSize,
    tokens: usize,
    read: impl Fn(usize, usize) -> Result<Example>,
) -> Result<Vec<Example>> {
    let mut count = size.rows_of(tokens).min(all);
    loop {
        let rows = (0..count).map(|index| read(index * all / count, index));
        let rows = rows.collect::<Result<Vec<Example>>>()?;
        let found = tokens_of(&rows);
        match size {
            SampleSize::Tokens(wanted) if found < wanted && count < all => {
                // Twice as many at most: rows at the front of a sorted file may be short.
                let needed = (count as f64 * wanted as f64 / found.max(1) as f64).ceil() as usize;
                count = needed.clamp(count + 1, (2 * count).max(count + 1)).min(all);
            }
            _ => return Ok(size.of(rows)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Lengths of up to 59 rows, of 1 to 8 tokens, in an order that no rule describes.
    fn lengths(seed: usize) -> Vec<usize> {
        let count = 1 + seed * 7 % 59;
        (0..count)
            .map(|row| 1 + (row * row * 31 + seed * 17 + row) % 8)
            .collect()
    }

    #[test]
    fn rows_come_from_the_whole_file_and_have_the_tokens_asked_for() {
        for seed in 0..40 {
            let lengths = lengths(seed);
            let all = lengths.len();
            let read = |line: usize, _: usize| {
                Ok(Example::new(vec![line as u32; lengths[line]], Vec::new()))
            };
            let lines = |rows: &[Example]| rows.iter().map(|row| row.prompt[0]).collect::<Vec<_>>();
            let present: usize = lengths.iter().sum();
            for wanted in [1, 8, 9, 30, 100, 399] {
                let case = format!("{wanted} of {present} tokens in {all} rows");
                let rows = at_even_distances(all, SampleSize::Tokens(wanted), 8, read).unwrap();
                let found = tokens_of(&rows);
                assert!(found >= wanted.min(present), "{case}: {found}");
                let last = rows.last().unwrap().len();
                assert!(
                    found - last < wanted,
                    "{case}: {found}, a row more than needed"
                );
                let lines = lines(&rows);
                assert!(
                    lines.windows(2).all(|pair| pair[0] < pair[1]),
                    "{case}: {lines:?}"
                );
            }
            let rows = at_even_distances(all, SampleSize::Rows(7), 8, read).unwrap();
            let count = 7.min(all);
            let expected: Vec<u32> = (0..count).map(|i| (i * all / count) as u32).collect();
            assert_eq!(lines(&rows), expected);
        }
    }
}
