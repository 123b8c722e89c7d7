//! The loss per token.

use continual::trainer::micro_batches;
use lm::{Example, LanguageModel};
use runs::Progress;

use super::SetMeasure;

/// Mean loss per answer token over all rows, without questions. At most `max_tokens` tokens, padding included, share a
/// forward pass.
pub fn token_loss<M: LanguageModel>(
    model: &M,
    rows: &[Example],
    max_tokens: usize,
    progress: &Progress,
) -> SetMeasure {
    let mut rows: Vec<Example> = rows
        .iter()
        .filter(|row| model.target_count(row) > 0)
        .cloned()
        .collect();
    rows.sort_by_key(Example::len);
    let lengths: Vec<usize> = rows.iter().map(Example::len).collect();
    let (mut sum, mut tokens) = (0.0, 0);
    for batch in micro_batches(&lengths, usize::MAX, max_tokens, false) {
        let count = batch.len();
        let (loss, counted) = model.answer_loss(&rows[batch]);
        sum += f64::from(loss.into_scalar::<f32>());
        tokens += counted;
        progress.advance(count as u64, "measuring losses");
    }
    SetMeasure {
        loss: sum / tokens.max(1) as f64,
        tokens,
        ..SetMeasure::default()
    }
}
