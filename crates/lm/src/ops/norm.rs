//! RMS norm, recomputed in the backward pass.

#![allow(deprecated)] // Burn 0.22 announces the removal of its ndarray backend.

use burn::backend::autodiff::{Autodiff, checkpoint::strategy::CheckpointStrategy};
use burn::backend::{Backend, Dispatch, backend_extension, tensor::FloatTensor};
use burn::nn::RmsNorm;
use burn::tensor::Tensor;
use kernels::Chains;

use super::built_for;
use super::precision::in_type;
use super::recompute::{CheapOperation, recomputed};

/// `γ x / √(mean(x²) + ε)`, computed and returned in the type of `γ`. Uses Burn's own operations if `γ` trains.
///
/// # Shapes
/// - `x` and output: `[batch, tokens, width]`
pub(crate) fn rms_norm(norm: &RmsNorm, x: Tensor<3>) -> Tensor<3> {
    let gamma = norm.gamma.val();
    if gamma.is_tracked() || !built_for(&x.device()) {
        return norm.forward(in_type(x, gamma.dtype()));
    }
    recomputed_norm(x, gamma, norm.epsilon)
}

/// `(1 + γ) x / √(mean(x²) + ε)`, computed and returned in the type of `γ`. Uses Burn's own operations if `γ` trains.
///
/// # Shapes
/// - `x` and output: `[batch, tokens, width]`
pub(crate) fn rms_norm_one_plus(norm: &RmsNorm, x: Tensor<3>) -> Tensor<3> {
    let gamma = norm.gamma.val() + 1.0;
    if gamma.is_tracked() || !built_for(&x.device()) {
        let x = in_type(x, gamma.dtype());
        let length = (x.clone().square().mean_dim(2) + norm.epsilon).sqrt();
        return x / length * gamma.unsqueeze();
    }
    recomputed_norm(x, gamma, norm.epsilon)
}

fn recomputed_norm(x: Tensor<3>, gamma: Tensor<1>, epsilon: f64) -> Tensor<3> {
    Tensor::from_dispatch(Dispatch::rms_norm_of(
        x.into_dispatch(),
        gamma.unsqueeze::<3>().into_dispatch(),
        epsilon,
    ))
}

/// `γ x / √(mean(x²) + ε)` over the last dimension, in the type of `γ`, differentiable by `x`.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(any(feature = "wgpu", feature = "cuda")),
    Autodiff,
)]
pub trait NormOps: Chains {
    /// # Shapes
    /// - `x` and output: `[.., width]`
    /// - `gamma`: `[1, .., width]`
    fn rms_norm_of(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        Self::normed(x, gamma, epsilon)
    }
}

#[cfg(feature = "flex")]
impl NormOps for burn::backend::Flex {}
#[cfg(feature = "ndarray")]
impl NormOps for burn::backend::NdArray {}
#[cfg(any(feature = "wgpu", feature = "cuda"))]
impl NormOps for burn::backend::Cube {}

impl<B: NormOps, C: CheckpointStrategy> NormOps for Autodiff<B, C> {
    fn rms_norm_of(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        let norm = Norm::<B> {
            gamma: gamma.into_primitive(),
            epsilon,
        };
        recomputed(norm, [x])
    }
}

/// The constants of the norm.
#[derive(Clone, Debug)]
struct Norm<B: Backend> {
    gamma: FloatTensor<B>,
    epsilon: f64,
}

impl<B: NormOps> CheapOperation<B, 1> for Norm<B> {
    fn forward(&self, [x]: [FloatTensor<B>; 1]) -> FloatTensor<B> {
        B::rms_norm_of(x, self.gamma.clone(), self.epsilon)
    }

    fn backward(
        &self,
        [x]: [FloatTensor<B>; 1],
        g: FloatTensor<B>,
        [wants_x]: [bool; 1],
    ) -> [Option<FloatTensor<B>>; 1] {
        [wants_x.then(|| B::norm_gradient(x, self.gamma.clone(), self.epsilon, g))]
    }
}
