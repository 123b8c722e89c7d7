//! The key-value cache of attention.

use burn::tensor::Tensor;

/// Keys and values of the earlier tokens, for one layer.
///
/// # Shapes
/// - both: `[batch, key_value_heads, tokens, head_width]`
#[derive(Clone, Default)]
pub(crate) struct LayerCache(Option<(Tensor<4>, Tensor<4>)>);

impl LayerCache {
    /// Appends the keys and values of new tokens, and returns those of all tokens.
    pub(crate) fn extend(&mut self, key: Tensor<4>, value: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let (key, value) = match self.0.take() {
            Some((k, v)) => (Tensor::cat(vec![k, key], 2), Tensor::cat(vec![v, value], 2)),
            None => (key, value),
        };
        self.0 = Some((key.clone(), value.clone()));
        (key, value)
    }
}
