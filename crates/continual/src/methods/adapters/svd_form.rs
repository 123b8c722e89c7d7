//! An adapter in the form of a singular value decomposition.

use burn::module::{Module, Param, Reparameterization};
use burn::tensor::Tensor;

use super::form::Form;

/// `ΔW = scale · P diag(λ) Q`, attached to a frozen weight.
///
/// # Shapes
/// - `p`: `[d_in, adapter_rank]`
/// - `lambda`: `[1, adapter_rank]`
/// - `q`: `[adapter_rank, d_out]`
///
/// # References
///
/// Zhang et al., "Adaptive Budget Allocation for Parameter-Efficient Fine-Tuning" (AdaLoRA), ICLR 2023, equation 3.
#[derive(Module, Debug)]
pub(super) struct SvdAdapter {
    p: Param<Tensor<2>>,
    lambda: Param<Tensor<2>>,
    q: Param<Tensor<2>>,
    scale: f64,
}

impl Reparameterization for SvdAdapter {
    const NAME: &'static str = "svd";

    fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        let change = self.change().reshape(base.shape());
        base + change
    }
}

impl Form<3> for SvdAdapter {
    const NAMES: [&'static str; 3] = ["p", "lambda", "q"];

    fn shapes(adapter_rank: usize, [d_in, d_out]: [usize; 2]) -> [[usize; 2]; 3] {
        [
            [d_in, adapter_rank],
            [1, adapter_rank],
            [adapter_rank, d_out],
        ]
    }

    fn new([p, lambda, q]: [Param<Tensor<2>>; 3], scale: f64) -> Self {
        Self {
            p,
            lambda,
            q,
            scale,
        }
    }

    fn change(&self) -> Tensor<2> {
        let scaled = self.p.val() * self.lambda.val();
        scaled.matmul(self.q.val()).mul_scalar(self.scale)
    }
}
