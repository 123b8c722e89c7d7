//! What the base model knows, as rows: a text file, or text that it generates itself.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use continual::{CalibrationData, generated_rows};
use lm::{Example, LanguageModel, TextTokenizer};

use crate::progress::Progress;
use crate::settings::{CalibrationConfig, RunConfig};

/// Seed of the generated text. Fixed: the seeds of a run are to vary the training alone.
const SEED: u64 = 2504;

/// The calibration data of a run; `None` where nothing is to be measured.
///
/// # Errors
///
/// If the calibration text cannot be read.
pub fn data<M: LanguageModel>(
    config: &RunConfig,
    model: &M,
    tokenizer: &TextTokenizer,
) -> Result<Option<CalibrationData>> {
    let CalibrationConfig {
        text,
        base_rows,
        base_tokens,
        base_weight,
        rows_per_task,
        ..
    } = &config.calibration;
    if !config.reads_calibration() {
        return Ok(None);
    }
    let (base_name, base) = match text {
        Some(path) => (
            file_name(path),
            read_text(path, tokenizer, *base_rows, *base_tokens)?,
        ),
        None => (
            "generated".to_string(),
            generate(model, tokenizer, *base_rows, *base_tokens),
        ),
    };
    Ok(Some(CalibrationData {
        base_name,
        base,
        base_weight: *base_weight,
        rows_per_task: *rows_per_task,
        batch: config.evaluation_batch,
    }))
}

/// Text that the model generates itself, with progress.
pub fn generate<M: LanguageModel>(
    model: &M,
    tokenizer: &TextTokenizer,
    rows: usize,
    tokens: usize,
) -> Vec<Example> {
    let progress = Progress::new(rows as u64);
    let vocabulary = tokenizer.vocabulary_size();
    let ends = tokenizer.stop_tokens();
    let texts = generated_rows(model, vocabulary, rows, tokens, ends, SEED, &mut |rows| {
        progress.advance(rows as u64, "generating text to calibrate on");
    });
    progress.finish();
    texts
}

/// Lines of a text file, spread evenly over it, of each the first `tokens` tokens.
///
/// # Errors
///
/// If the file cannot be read or has no text.
pub fn read_text(
    path: &Path,
    tokenizer: &TextTokenizer,
    rows: usize,
    tokens: usize,
) -> Result<Vec<Example>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the calibration text {}", path.display()))?;
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    ensure!(
        !lines.is_empty(),
        "the calibration text {} has no line with text",
        path.display()
    );
    let count = rows.min(lines.len());
    (0..count)
        .map(|index| {
            let line = lines[index * lines.len() / count];
            Ok(tokenizer.text(line, tokens, index as u64)?)
        })
        .collect()
}

fn file_name(path: &Path) -> String {
    let name = path.file_name();
    name.map_or_else(|| "text".into(), |name| name.to_string_lossy().into_owned())
}
