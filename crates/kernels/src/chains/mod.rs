//! Operations of a training step that a backend may have in one pass.

#![allow(deprecated)] // Burn 0.22 announces the removal of its ndarray backend.

mod composed;
#[cfg(feature = "flex")]
mod on_flex;
mod rows;
mod types;

use burn::backend::autodiff::{Autodiff, checkpoint::strategy::CheckpointStrategy};
use burn::backend::{Backend, Dispatch, tensor::FloatTensor};

pub use rows::{as_rows, unflattened};
pub use types::{in_type, widened};

/// Chains of elementwise operations and sums over rows, composed of the backend's own operations unless it has a
/// loop for them.
pub trait Chains: Backend {
    /// `a b`
    ///
    /// # Shapes
    /// - `a`: `[.., m, k]`
    /// - `b`: `[.., k, n]`
    /// - output: `[.., m, n]`
    fn product(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::product::<Self>(a, b)
    }

    /// `c + a b`
    ///
    /// # Shapes
    /// - `a`: `[m, k]`
    /// - `b`: `[k, n]`
    /// - `c` and output: `[m, n]`
    fn product_added(
        c: FloatTensor<Self>,
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        composed::product_added::<Self>(c, a, b)
    }

    /// `softmax(scores + bias)` over the last dimension.
    ///
    /// # Shapes
    /// - `scores` and output: `[batch, heads, queries, keys]`
    /// - `bias`: `[batch or 1, heads or 1, queries or 1, keys]`
    fn softmax_of_biased(
        scores: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
    ) -> FloatTensor<Self> {
        composed::softmax_of_biased::<Self>(scores, bias)
    }

    /// The gradient of the scores from that of the probabilities: `p · (g - Σ p g)`, the sum over the last dimension.
    ///
    /// # Shapes
    /// - all: `[batch, heads, queries, keys]`
    fn softmax_gradient(
        probabilities: FloatTensor<Self>,
        g: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        composed::softmax_gradient::<Self>(probabilities, g)
    }

    /// `silu(gate) · up`
    ///
    /// # Shapes
    /// - all: the same shape
    fn gated(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::gated::<Self>(gate, up)
    }

    /// Gradients of `gate` and `up` from that of `silu(gate) · up`.
    ///
    /// # Shapes
    /// - all: the same shape
    fn gate_gradients(
        gate: FloatTensor<Self>,
        up: FloatTensor<Self>,
        g: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2] {
        composed::gate_gradients::<Self>(gate, up, g)
    }

    /// `γ x / √(mean(x²) + ε)` over the last dimension, in the type of `γ`.
    ///
    /// # Shapes
    /// - `x` and output: `[.., width]`
    /// - `gamma`: `[1, .., width]`
    fn normed(x: FloatTensor<Self>, gamma: FloatTensor<Self>, epsilon: f64) -> FloatTensor<Self> {
        composed::normed::<Self>(x, gamma, epsilon)
    }

    /// The gradient of `x`, in the type of `x`, from that of [`normed`](Self::normed).
    ///
    /// # Shapes
    /// - as for [`normed`](Self::normed)
    fn norm_gradient(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        epsilon: f64,
        g: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        composed::norm_gradient::<Self>(x, gamma, epsilon, g)
    }

    /// Rotates the pairs `(x[i], x[i + half])` of the last dimension; `back` by the negative angles. The result has the
    /// type of `x`.
    ///
    /// # Shapes
    /// - `x` and output: `[batch, heads, tokens, 2 half]`
    /// - `cos`, `sin`: `[batch or 1, 1, tokens, half]`
    fn rotated(
        x: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
        back: bool,
    ) -> FloatTensor<Self> {
        composed::rotated::<Self>(x, cos, sin, back)
    }
}

#[cfg(feature = "ndarray")]
impl Chains for burn::backend::NdArray {}
#[cfg(any(feature = "wgpu", feature = "cuda"))]
impl Chains for burn::backend::Cube {}
impl Chains for Dispatch {}
impl<B: Backend, C: CheckpointStrategy> Chains for Autodiff<B, C> {}
