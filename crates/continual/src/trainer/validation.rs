//! The validation loss.

use lm::LanguageModel;

use super::{TrainConfig, micro_batches};
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
/// an answer. A pass has as many rows and tokens as one of training.
///
/// # Errors
///
/// [`ContinualError::Row`] for the first row that cannot be read.
pub(super) fn mean_loss<M: LanguageModel>(
    model: &M,
    rows: &Rows<'_>,
    config: &TrainConfig,
) -> Result<f64, ContinualError> {
    let model = model.valid();
    let mut order: Vec<usize> = (0..rows.lengths().len()).collect();
    order.sort_by_key(|&row| rows.lengths()[row]);
    let lengths: Vec<usize> = order.iter().map(|&row| rows.lengths()[row]).collect();
    let (mut sum, mut count) = (0.0, 0);
    for batch in micro_batches(&lengths, config.micro_batch, config.max_tokens, false) {
        let examples = rows.batch(&order[batch])?;
        let (loss, tokens) = model.answer_loss(&examples);
        sum += f64::from(loss.into_scalar::<f32>());
        count += tokens;
    }
    Ok(sum / count as f64)
}
