//! The output head and the loss, a few rows at a time: the logits of a large vocabulary never exist for all
//! rows.

use burn::tensor::{Int, Tensor, TensorData};

use super::loss::negative_log_likelihood;
use crate::ops::{MixedPrecision, in_type, linear};

/// Number of logits that exist at a time (16 MB each for logits, their logarithms and their gradient).
const LOGITS: usize = 1 << 22;

/// The product of an output head's weight with hidden states, in some precision.
pub(crate) struct HeadProduct<'a> {
    weight: &'a dyn Fn() -> Tensor<2>,
    /// The weight in the type of the product. `None` if it trains: it is then made anew for every piece, since the backward
    /// pass of one piece consumes what led to it.
    constant: Option<Tensor<2>>,
    precision: MixedPrecision,
}

impl<'a> HeadProduct<'a> {
    /// The product with what `weight` returns: `[hidden, vocabulary]`.
    pub(crate) fn new(weight: &'a dyn Fn() -> Tensor<2>, precision: MixedPrecision) -> Self {
        Self {
            constant: precision.of_constant(weight()),
            weight,
            precision,
        }
    }

    /// Logits, in the type of the hidden states.
    ///
    /// # Shapes
    /// - `hidden`: `[n, hidden]`
    /// - output: `[n, vocabulary]`
    pub(crate) fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        let dtype = hidden.dtype();
        let weight = self.constant.clone().unwrap_or_else(self.weight);
        let logits = linear(hidden, weight, self.precision.of_products(dtype));
        in_type(logits, dtype)
    }
}

/// The output head of a model, and the scale of the loss.
pub(crate) struct Head<'a> {
    /// Maps `[n, hidden]` to `[n, vocabulary]`.
    pub apply: &'a dyn Fn(Tensor<2>) -> Tensor<2>,
    pub vocabulary: usize,
    /// Whether the weight of the head is trainable.
    pub trains: bool,
    /// Factor of the loss.
    pub scale: f64,
}

impl Head<'_> {
    /// Number of hidden states of this width that go through the head at a time.
    fn rows(&self, width: usize) -> usize {
        let few = (LOGITS / self.vocabulary.max(1)).max(1);
        // Every piece computes a gradient of the whole weight. In comparison, as many logits as the weight
        // has numbers take little memory.
        match self.trains {
            true => few.max(width),
            false => few,
        }
    }

    /// Splits hidden states and their targets into pieces that go through the head one at a time.
    ///
    /// # Shapes
    /// - `hidden`: `[targets, hidden]`
    pub(crate) fn pieces<'t>(
        &self,
        hidden: &'t Tensor<2>,
        tokens: &'t [u32],
    ) -> impl Iterator<Item = (Tensor<2>, &'t [u32])> + use<'t> {
        let rows = self.rows(hidden.dims()[1]);
        tokens.chunks(rows).enumerate().map(move |(index, tokens)| {
            let part = hidden.clone().narrow(0, index * rows, tokens.len());
            (part, tokens)
        })
    }

    /// Summed and scaled negative log-likelihood of targets.
    ///
    /// # Shapes
    /// - `hidden`: `[targets, hidden]`
    /// - output: `[1]`
    pub(crate) fn loss(&self, hidden: &Tensor<2>, targets: &Targets) -> Tensor<1> {
        let tokens = targets.tokens();
        let pieces = self.pieces(hidden, &tokens);
        let parts = pieces.map(|(part, tokens)| self.loss_of_piece(part, tokens));
        let sum = parts.reduce(|sum, part| sum + part);
        sum.unwrap_or_else(|| Tensor::zeros([1], &hidden.device()))
    }

    /// The [`loss`](Self::loss) of one piece.
    pub(crate) fn loss_of_piece(&self, hidden: Tensor<2>, targets: &[u32]) -> Tensor<1> {
        negative_log_likelihood((self.apply)(hidden), targets) * self.scale
    }
}

/// Tokens to predict with their positions: `(row, position, token)`.
pub(crate) struct Targets(pub Vec<(usize, usize, u32)>);

impl Targets {
    /// The tokens to predict.
    pub(crate) fn tokens(&self) -> Vec<u32> {
        self.0.iter().map(|&(_, _, token)| token).collect()
    }

    /// Selects the hidden states that predict the tokens.
    ///
    /// # Shapes
    /// - `hidden`: `[batch, tokens, hidden]`
    /// - output: `[targets, hidden]`
    pub(crate) fn select(&self, hidden: Tensor<3>) -> Tensor<2> {
        let [batch, tokens, width] = hidden.dims();
        let index = |&(row, position, _): &(usize, usize, u32)| (row * tokens + position) as i32;
        let indices: Vec<i32> = self.0.iter().map(index).collect();
        let indices = TensorData::new(indices, [self.0.len()]);
        let indices = Tensor::<1, Int>::from_data(indices, &hidden.device());
        hidden.reshape([batch * tokens, width]).select(0, indices)
    }
}
