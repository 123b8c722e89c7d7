//! The loss on rows that are not trained on.

use lm::{Example, LanguageModel};

/// The lowest validation loss of a task so far.
#[derive(Clone, Debug)]
pub struct Best<M> {
    /// The loss, in nats per answer token.
    pub loss: f64,
    /// Steps done when it was measured.
    pub step: usize,
    /// The model it was measured on, if it is kept.
    pub model: Option<M>,
}

/// Mean negative log-likelihood of the answer tokens of all rows, in nats; 0 where no row has one.
pub(super) fn mean_loss<M: LanguageModel>(model: &M, rows: &[Example], batch: usize) -> f64 {
    let model = model.valid();
    let predicted = |row: &&Example| model.target_count(row) > 0;
    let mut rows: Vec<&Example> = rows.iter().filter(predicted).collect();
    rows.sort_by_key(|row| row.len());
    let (mut sum, mut count) = (0.0, 0);
    for rows in rows.chunks(batch.max(1)) {
        let rows: Vec<Example> = rows.iter().map(|&row| row.clone()).collect();
        let (loss, tokens) = model.answer_loss(&rows);
        sum += f64::from(loss.into_scalar::<f32>());
        count += tokens;
    }
    sum / count.max(1) as f64
}
