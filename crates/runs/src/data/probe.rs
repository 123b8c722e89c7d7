//! The questions that probe general knowledge.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use benchmarks::{Score, load_rows};
use burn::data::dataset::InMemDataset;
use continual::EvaluationSet;
use lm::TextTokenizer;

use super::lengths::answer_limit;
use super::rows::questions;
use super::score::BenchmarkScore;
use crate::settings::RunConfig;

/// Longest answer of the general-knowledge probe in tokens.
const GENERAL_NEW_TOKENS: usize = 12;

/// The general-knowledge probe, and remarks on its truncated questions.
pub(super) fn general(
    path: &Path,
    config: &RunConfig,
    tokenizer: &TextTokenizer,
) -> Result<(EvaluationSet, Vec<String>)> {
    let rows = load_rows(path)?.into_iter().enumerate();
    let rows = rows.filter(|(index, _)| config.general_rows.asks(*index));
    let rows: Vec<_> = rows.map(|(_, row)| row).collect();
    ensure!(
        !rows.is_empty(),
        "{} has no row that general_rows asks",
        path.display()
    );
    let (limit, lowered) = answer_limit(GENERAL_NEW_TOKENS, config.max_length, tokenizer.framing());
    let (questions, cut) = match questions(
        &InMemDataset::new(rows),
        config.max_length,
        limit,
        tokenizer,
    ) {
        Ok(found) => found,
        Err(bad) => bail!(
            "{}, row {} (from 0): {}",
            path.display(),
            bad.index,
            bad.reason
        ),
    };
    let remarks = lowered
        .into_iter()
        .chain(cut.sentences("probe", config.max_length, limit, true));
    let remarks = remarks
        .map(|line| format!("general knowledge: {line}"))
        .collect();
    let set = EvaluationSet {
        questions,
        scorer: Arc::new(BenchmarkScore {
            score: Score::accuracy(),
            labels: Vec::new(),
        }),
        max_new_tokens: limit,
    };
    Ok((set, remarks))
}
