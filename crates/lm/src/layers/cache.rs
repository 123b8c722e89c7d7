//! The key-value cache of attention.

use burn::tensor::{Int, Tensor, TensorData, s};

/// The fewest tokens that a cache makes room for when it is full.
const ROOM: usize = 32;

/// Keys and values of the earlier tokens, for one layer.
#[derive(Clone, Default)]
pub(crate) struct LayerCache(Option<(Kept, Kept)>);

impl LayerCache {
    /// Appends the keys and values of new tokens, and returns those of all tokens.
    ///
    /// # Shapes
    /// - `key`, `value` and what is returned: `[batch, key_value_heads, tokens, head_width]`
    pub(crate) fn extend(&mut self, key: Tensor<4>, value: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let (keys, values) = match self.0.take() {
            Some((keys, values)) => (keys.with(key), values.with(value)),
            None => (Kept::new(key), Kept::new(value)),
        };
        let all = (keys.all(), values.all());
        self.0 = Some((keys, values));
        all
    }

    /// Keeps these rows, in this order; a row may be kept several times.
    pub(crate) fn keep(&mut self, rows: &[usize]) {
        if let Some((keys, values)) = self.0.take() {
            self.0 = Some((keys.rows(rows), values.rows(rows)));
        }
    }
}

/// Tokens at the beginning of a buffer, which has room for more: a new token is written into it, and the earlier ones stay
/// where they are.
#[derive(Clone)]
struct Kept {
    /// `[batch, heads, tokens and room, width]`
    buffer: Tensor<4>,
    tokens: usize,
}

impl Kept {
    fn new(tensor: Tensor<4>) -> Self {
        Self {
            tokens: tensor.dims()[2],
            buffer: tensor,
        }
    }

    fn with(self, new: Tensor<4>) -> Self {
        let [batch, heads, added, width] = new.dims();
        let tokens = self.tokens + added;
        let mut buffer = self.buffer;
        if buffer.dims()[2] < tokens {
            // Room for half as many again: each token is copied twice on average, however many follow.
            let room = tokens + (tokens / 2).max(ROOM);
            let empty = Tensor::<4>::zeros([batch, heads, room, width], &buffer.device())
                .cast(buffer.dtype());
            let earlier = buffer.narrow(2, 0, self.tokens);
            buffer = empty.slice_assign(s![.., .., ..self.tokens, ..], earlier);
        }
        let buffer = buffer.slice_assign(s![.., .., self.tokens..tokens, ..], new);
        Self { buffer, tokens }
    }

    fn rows(self, rows: &[usize]) -> Self {
        let indices: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
        let indices = TensorData::new(indices, [rows.len()]);
        let indices = Tensor::<1, Int>::from_data(indices, &self.buffer.device());
        let buffer = self.buffer.select(0, indices);
        Self { buffer, ..self }
    }

    fn all(&self) -> Tensor<4> {
        self.buffer.clone().narrow(2, 0, self.tokens)
    }
}
