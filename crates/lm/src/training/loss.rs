//! The loss of predicting the next token.

use burn::tensor::Tensor;

use crate::ops;

/// Summed negative log-likelihood, in nats, of one target token per row of logits.
///
/// # Shapes
/// - `logits`: `[targets, vocabulary]`
/// - `targets`: one token id per row
/// - output: `[1]`
pub fn negative_log_likelihood(logits: Tensor<2>, targets: &[u32]) -> Tensor<1> {
    ops::negative_log_likelihood(logits, targets)
}
