//! The gate of a feed-forward network with GELU, recomputed in the backward pass.

#![allow(deprecated)] // Burn 0.22 announces the removal of its ndarray backend.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use burn::backend::autodiff::{Autodiff, checkpoint::strategy::CheckpointStrategy};
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension, tensor::FloatTensor};
use burn::tensor::{Tensor, activation::gelu_approximate};
use kernels::{in_type, widened};

use super::built_for;
use super::precision::{in_type as narrowed, widened as wide};
use super::recompute::{CheapOperation, recomputed};

/// `√(2/π)`
const SLOPE: f64 = FRAC_2_SQRT_PI * FRAC_1_SQRT_2;
/// Factor of the cube.
const CUBE: f64 = 0.044715;

/// `gelu(gate) · up` with `gelu(x) = x / 2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))`. Numbers of two bytes are computed with in
/// f32 and rounded once: `1 + tanh` is a small difference for negative numbers.
///
/// # Shapes
/// - all: `[batch, tokens, width]`
///
/// # References
///
/// Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016, section 2; `gelu_pytorch_tanh` of transformers.
pub(crate) fn gelu_gate(gate: Tensor<3>, up: Tensor<3>) -> Tensor<3> {
    if built_for(&gate.device()) {
        let gated = Dispatch::gelu_gate_of(gate.into_dispatch(), up.into_dispatch());
        return Tensor::from_dispatch(gated);
    }
    let dtype = gate.dtype();
    narrowed(gelu_approximate(wide(gate)) * wide(up), dtype)
}

/// `gelu(gate) · up`, differentiable by both.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(any(feature = "wgpu", feature = "cuda")),
    Autodiff,
)]
pub trait GeluGateOps: Backend {
    /// # Shapes
    /// - all: the same shape
    fn gelu_gate_of(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
        let dtype = gate.dtype();
        let gelu = Gelu::<Self>::of(widened::<Self>(gate)).value();
        in_type::<Self>(Self::float_mul(gelu, widened::<Self>(up)), dtype)
    }
}

#[cfg(feature = "flex")]
impl GeluGateOps for burn::backend::Flex {}
#[cfg(feature = "ndarray")]
impl GeluGateOps for burn::backend::NdArray {}
#[cfg(any(feature = "wgpu", feature = "cuda"))]
impl GeluGateOps for burn::backend::Cube {}

impl<B: GeluGateOps, C: CheckpointStrategy> GeluGateOps for Autodiff<B, C> {
    fn gelu_gate_of(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
        recomputed(GeluGate, [gate, up])
    }
}

#[derive(Clone, Debug)]
struct GeluGate;

impl<B: GeluGateOps> CheapOperation<B, 2> for GeluGate {
    fn forward(&self, [gate, up]: [FloatTensor<B>; 2]) -> FloatTensor<B> {
        B::gelu_gate_of(gate, up)
    }

    fn backward(
        &self,
        [gate, up]: [FloatTensor<B>; 2],
        g: FloatTensor<B>,
        [wants_gate, wants_up]: [bool; 2],
    ) -> [Option<FloatTensor<B>>; 2] {
        let dtype = gate.dtype();
        let gelu = Gelu::<B>::of(widened::<B>(gate));
        let (up, g) = (widened::<B>(up), widened::<B>(g));
        let of_up = wants_up.then(|| B::float_mul(gelu.value(), g.clone()));
        let of_gate = wants_gate.then(|| B::float_mul(B::float_mul(gelu.slope(), up), g));
        [of_gate, of_up].map(|of| of.map(|of| in_type::<B>(of, dtype)))
    }
}

/// GELU at `x`.
struct Gelu<B: Backend> {
    x: FloatTensor<B>,
    /// `x²`
    square: FloatTensor<B>,
    /// `t = tanh(√(2/π) (x + 0.044715 x³))`
    tanh: FloatTensor<B>,
}

impl<B: Backend> Gelu<B> {
    fn of(x: FloatTensor<B>) -> Self {
        let square = B::float_mul(x.clone(), x.clone());
        let inner = Self::scaled_and_shifted(square.clone(), CUBE * SLOPE, SLOPE);
        let tanh = B::float_tanh(B::float_mul(inner, x.clone()));
        Self { x, square, tanh }
    }

    /// `x / 2 · (1 + t)`
    fn value(&self) -> FloatTensor<B> {
        B::float_mul(
            Self::scaled_and_shifted(self.tanh.clone(), 0.5, 0.5),
            self.x.clone(),
        )
    }

    /// The derivative: `(1 + t) / 2 + x / 2 · (1 - t²) · √(2/π) (1 + 3 · 0.044715 x²)`
    fn slope(&self) -> FloatTensor<B> {
        let inner = Self::scaled_and_shifted(self.square.clone(), 1.5 * CUBE * SLOPE, 0.5 * SLOPE);
        let square = B::float_mul(self.tanh.clone(), self.tanh.clone());
        let falling = Self::scaled_and_shifted(square, -1.0, 1.0);
        let second = B::float_mul(B::float_mul(inner, self.x.clone()), falling);
        B::float_add(
            Self::scaled_and_shifted(self.tanh.clone(), 0.5, 0.5),
            second,
        )
    }

    /// `factor · x + shift`
    fn scaled_and_shifted(x: FloatTensor<B>, factor: f64, shift: f64) -> FloatTensor<B> {
        B::float_add_scalar(B::float_mul_scalar(x, factor.into()), shift.into())
    }
}
