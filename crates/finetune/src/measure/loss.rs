//! The loss per token.

use lm::{Example, LanguageModel};
use runs::Progress;

/// A mean over tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TokenLoss {
    /// Mean negative log-likelihood per answer token, in nats; 0 if there is no token.
    pub loss: f64,
    /// Number of answer tokens.
    pub tokens: usize,
}

/// Mean loss per answer token over all rows. At most `max_tokens` tokens, padding included, share a forward pass.
pub fn token_loss<M: LanguageModel>(
    model: &M,
    rows: &[Example],
    max_tokens: usize,
    progress: &Progress,
) -> TokenLoss {
    let mut order: Vec<&Example> = rows
        .iter()
        .filter(|row| model.target_count(row) > 0)
        .collect();
    order.sort_by_key(|row| row.len());
    let (mut sum, mut tokens) = (0.0, 0);
    let mut rest = order.as_slice();
    while !rest.is_empty() {
        let fits = |&count: &usize| count * rest[count - 1].len() <= max_tokens;
        let count = (1..=rest.len()).take_while(fits).count().max(1);
        let (batch, after) = rest.split_at(count);
        let batch: Vec<Example> = batch.iter().map(|&row| row.clone()).collect();
        let (loss, counted) = model.answer_loss(&batch);
        sum += f64::from(loss.into_scalar::<f32>());
        tokens += counted;
        rest = after;
        progress.advance(count as u64, "measuring losses");
    }
    TokenLoss {
        loss: sum / tokens.max(1) as f64,
        tokens,
    }
}
