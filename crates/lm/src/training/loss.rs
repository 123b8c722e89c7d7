//! The loss of predicting the next token.

use burn::tensor::{Int, Tensor, TensorData, activation::log_softmax};

/// Summed negative log-likelihood, in nats, of one target token per row of logits.
///
/// # Shapes
/// - `logits`: `[targets, vocabulary]`
/// - `targets`: one token id per row
/// - output: `[1]`
pub fn negative_log_likelihood(logits: Tensor<2>, targets: &[u32]) -> Tensor<1> {
    let ids: Vec<i32> = targets.iter().map(|&id| id as i32).collect();
    let data = TensorData::new(ids, [targets.len(), 1]);
    let ids = Tensor::<2, Int>::from_data(data, &logits.device());
    log_softmax(logits, 1).gather(1, ids).sum().neg()
}
