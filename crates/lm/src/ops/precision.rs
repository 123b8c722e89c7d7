//! The type in which a training step computes.

use std::str::FromStr;

use burn::tensor::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

/// Mixed precision: the type of matrix products, and of the activations between them, in the forward and the backward pass
/// of training.
///
/// Parameters, the sums of their gradients and the optimizer's moments stay as they are, and so do the hidden states between
/// the parts of a block, norms, gates, softmax and the loss. A product is summed in f32 and rounded once, gradients of weights
/// and scores of attention included. Generation, scoring, calibration and what methods add to the loss do not use it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MixedPrecision {
    /// Everything in the type of the parameters.
    #[default]
    None,
    /// Factors and results of matrix products in bf16: eight significant bits, the exponents of f32. For graphics cards,
    /// which multiply such numbers faster; the activations that are kept for the backward pass take less memory. A processor
    /// computes with bf16 more slowly than with f32.
    Bf16,
}

impl FromStr for MixedPrecision {
    type Err = String;

    /// Reads the name that settings have.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "bf16" => Ok(Self::Bf16),
            other => Err(format!("expected none or bf16, found {other:?}")),
        }
    }
}

impl MixedPrecision {
    /// Whether every number stays in the type of the parameters.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// Whether a device has the types.
    pub fn is_supported_by(self, device: &Device) -> bool {
        match self {
            Self::None => true,
            Self::Bf16 => device.supports_dtype(DType::BF16),
        }
    }

    /// A factor of several products, in their type; `None` if it is differentiated.
    ///
    /// # Shapes
    /// - `factor` and output: the same shape
    pub(crate) fn of_constant(self, factor: Tensor<2>) -> Option<Tensor<2>> {
        let dtype = self.of_products(factor.dtype());
        (!factor.is_tracked()).then(|| in_type(factor, dtype))
    }

    /// The type of products of numbers of a type.
    pub(crate) fn of_products(self, numbers: DType) -> DType {
        match self {
            Self::None => numbers,
            Self::Bf16 => DType::BF16,
        }
    }
}

/// Numbers of two bytes as f32; others stay.
///
/// # Shapes
/// - `x` and output: the same shape
pub(crate) fn widened<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    match x.dtype() {
        DType::BF16 | DType::F16 => x.cast(DType::F32),
        _ => x,
    }
}

/// The tensor in another type; nothing is done if it is its own.
///
/// # Shapes
/// - `x` and output: the same shape
pub(crate) fn in_type<const D: usize>(x: Tensor<D>, dtype: DType) -> Tensor<D> {
    match x.dtype() == dtype {
        true => x,
        false => x.cast(dtype),
    }
}
