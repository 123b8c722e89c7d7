//! The rows that the loss is measured on.

use anyhow::Result;
use lm::{Example, LanguageModel};
use report::hash;
use serde_json::json;

/// Tokens that rows of one forward pass have together, unless it is one long row. Their losses are summed in f32, those of
/// the passes in f64: a sum of some hundred nats rounds to a hundred-thousandth of a nat.
const TOKENS_PER_PASS: usize = 256;

/// The mean loss of a model per answer token, in nats; summed in f64 over passes of few tokens.
pub fn mean_loss<M: LanguageModel>(model: &M, rows: &[Example]) -> f64 {
    let (mut sum, mut count) = (0.0, 0);
    for rows in passes(rows) {
        let (loss, tokens) = model.answer_loss(rows);
        sum += f64::from(loss.into_scalar::<f32>());
        count += tokens;
    }
    sum / count.max(1) as f64
}

/// Neighbouring rows, as many as a pass takes.
pub fn passes(rows: &[Example]) -> impl Iterator<Item = &[Example]> {
    let mut left = rows;
    std::iter::from_fn(move || {
        let mut tokens = 0;
        let fits = |row: &&Example| {
            tokens += row.len();
            tokens <= TOKENS_PER_PASS
        };
        let count = left.iter().take_while(fits).count().max(1).min(left.len());
        let (pass, rest) = left.split_at(count);
        left = rest;
        (!pass.is_empty()).then_some(pass)
    })
}

/// SHA-256 of the tokens of rows.
pub fn identity(rows: &[Example]) -> Result<String> {
    let tokens = rows.iter().map(|row| json!([row.prompt, row.answer]));
    let tokens: Vec<_> = tokens.collect();
    Ok(hash::sha256(&serde_json::to_vec(&tokens)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_hold_every_row_once_and_few_tokens() {
        let row = |tokens: usize| Example::new(Vec::new(), vec![7; tokens]);
        let rows: Vec<Example> = [100, 156, 1, 300, 2, 254, 9].map(row).into();
        let counts: Vec<usize> = passes(&rows).map(<[Example]>::len).collect();
        assert_eq!(counts, [2, 1, 1, 2, 1]);
        assert_eq!(
            passes(&rows).flatten().collect::<Vec<_>>(),
            rows.iter().collect::<Vec<_>>()
        );
        assert_eq!(passes(&[]).count(), 0);
    }
}
