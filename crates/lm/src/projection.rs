//! The one place where hidden states meet a weight matrix.
//!
//! Every linear map of every model family goes through [`project`], so that whatever needs to see
//! the inputs and outputs of the layers has a single place to look.

use burn::nn::Linear;
use burn::tensor::Tensor;

/// Applies a linear layer.
///
/// # Shapes
/// - `x`: `[batch, tokens, d_in]`
/// - output: `[batch, tokens, d_out]`
pub fn project(linear: &Linear, x: Tensor<3>) -> Tensor<3> {
    linear.forward(x)
}
