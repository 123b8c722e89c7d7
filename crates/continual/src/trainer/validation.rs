//! The validation loss.

use lm::{Example, LanguageModel};

/// The lowest validation loss of a task so far.
#[derive(Clone, Debug)]
pub struct Best<M> {
    /// The loss, in nats per answer token.
    pub loss: f64,
    /// Optimizer steps done at that time.
    pub step: usize,
    /// The model at that time, if it is kept.
    pub model: Option<M>,
}

/// Mean negative log-likelihood of the answer tokens of all rows, in nats; 0 if there is no answer
/// token.
pub(super) fn mean_loss<M: LanguageModel>(model: &M, rows: &[Example], batch: usize) -> f64 {
    let model = model.valid();
    let has_answer = |row: &&Example| model.target_count(row) > 0;
    let mut rows: Vec<&Example> = rows.iter().filter(has_answer).collect();
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
