//! The validation loss.

use lm::LanguageModel;

use crate::error::ContinualError;
use crate::protocol::Rows;

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

/// Mean negative log-likelihood of the answer tokens of all rows, in nats. There must be a row, and every one must have
/// an answer.
///
/// # Errors
///
/// [`ContinualError::Row`] for the first row that cannot be read.
pub(super) fn mean_loss<M: LanguageModel>(
    model: &M,
    rows: &Rows<'_>,
    batch: usize,
) -> Result<f64, ContinualError> {
    let model = model.valid();
    let mut order: Vec<usize> = (0..rows.lengths().len()).collect();
    order.sort_by_key(|&row| rows.lengths()[row]);
    let (mut sum, mut count) = (0.0, 0);
    for chosen in order.chunks(batch.max(1)) {
        let examples = rows.batch(chosen)?;
        let (loss, tokens) = model.answer_loss(&examples);
        sum += f64::from(loss.into_scalar::<f32>());
        count += tokens;
    }
    Ok(sum / count as f64)
}
