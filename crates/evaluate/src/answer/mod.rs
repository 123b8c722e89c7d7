//! A model's answers to what a suite asks.

mod batch;
mod generated;
mod likelihood;

use anyhow::Result;
use general::{Request, Response, SuiteRow};
use lm::{HfFolder, LanguageModel, TextTokenizer};

/// How much is computed at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most rows of a batch.
    pub rows: usize,
    /// Most tokens of a batch, padding included, unless a single row has more.
    pub tokens: usize,
    /// Most tokens that the model can read at a time, if it says so.
    pub context: Option<usize>,
}

impl Limits {
    /// The usual limits, with the context that a model's configuration names.
    pub fn of(folder: &HfFolder) -> Self {
        let positions = folder.config()["max_position_embeddings"].as_u64();
        Self {
            context: positions.map(|positions| positions as usize),
            ..Self::default()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rows: 32,
            tokens: 4096,
            context: None,
        }
    }
}

/// Answers all rows, in their order. `answered` receives how many more rows are done, after every batch; its error ends
/// the evaluation.
///
/// # Errors
///
/// A text that cannot be encoded, or has more tokens than the model can read: nothing is cut that the suite does not cut.
/// The loss of a plain text, and that of a whole text with a choice, need a decoder-only model.
pub fn answers<M: LanguageModel>(
    model: &M,
    tokenizer: &TextTokenizer,
    rows: &[SuiteRow],
    limits: Limits,
    answered: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Vec<Response>> {
    let mut responses: Vec<Option<Response>> = vec![None; rows.len()];
    let is_generated = |row: &SuiteRow| matches!(row.request, Request::Generate { .. });
    let (generated, measured): (Vec<usize>, Vec<usize>) =
        (0..rows.len()).partition(|&row| is_generated(&rows[row]));
    let asked = Asked {
        model,
        tokenizer,
        rows,
        limits,
    };
    likelihood::measure(&asked, &measured, &mut responses, answered)?;
    generated::generate(&asked, &generated, &mut responses, answered)?;
    Ok(responses.into_iter().flatten().collect())
}

/// What is asked of whom.
struct Asked<'a, M> {
    model: &'a M,
    tokenizer: &'a TextTokenizer,
    rows: &'a [SuiteRow],
    limits: Limits,
}
