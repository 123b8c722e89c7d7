//! What an adapter is made of.

use burn::module::{LoraAdapter, Param, Reparameterization};
use burn::tensor::Tensor;

/// An adapter of `N` factors, all matrices: a reparameterization that adds their product to the weight.
pub(super) trait Form<const N: usize>: Reparameterization {
    /// Names of the factors in saved states.
    const NAMES: [&'static str; N];

    /// Shapes of the factors for a weight `[d_in, d_out]`.
    fn shapes(adapter_rank: usize, shape: [usize; 2]) -> [[usize; 2]; N];

    /// The adapter with these factors.
    fn new(factors: [Param<Tensor<2>>; N], scale: f64) -> Self;

    /// The change of the weight.
    ///
    /// # Shapes
    /// - output: `[d_in, d_out]`
    fn change(&self) -> Tensor<2>;
}

/// Number of scalars in an adapter for a weight `[d_in, d_out]`.
pub(super) fn numbers<F: Form<N>, const N: usize>(adapter_rank: usize, shape: [usize; 2]) -> usize {
    let shapes = F::shapes(adapter_rank, shape).into_iter();
    shapes.map(|[rows, columns]| rows * columns).sum()
}

/// `ΔW = scale · A B`, `A` being `[d_in, adapter_rank]` and `B` `[adapter_rank, d_out]`.
///
/// # References
///
/// Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022, equation 3.
impl Form<2> for LoraAdapter {
    const NAMES: [&'static str; 2] = ["a", "b"];

    fn shapes(adapter_rank: usize, [d_in, d_out]: [usize; 2]) -> [[usize; 2]; 2] {
        [[d_in, adapter_rank], [adapter_rank, d_out]]
    }

    fn new([a, b]: [Param<Tensor<2>>; 2], scale: f64) -> Self {
        Self { a, b, scale }
    }

    fn change(&self) -> Tensor<2> {
        self.delta()
    }
}
