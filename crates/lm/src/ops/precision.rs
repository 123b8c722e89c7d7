//! The type in which a training step computes.

use std::str::FromStr;

use burn::tensor::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

/// Mixed precision: the type of activations and matrix products in the forward and the backward pass of training.
///
/// Parameters, their gradients and the optimizer's moments stay as they are, and so do the hidden states between the
/// parts of a block, sums in norms and softmax, and the loss. Generation, scoring and calibration do not use it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MixedPrecision {
    /// Everything in the type of the parameters.
    #[default]
    None,
    /// Activations and the factors of matrix products in bf16: eight significant bits, the exponents of f32. On a graphics
    /// card it takes less time and half of the memory for activations. A processor computes bf16 more slowly than f32.
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

    /// Activations in the type of products.
    ///
    /// # Shapes
    /// - `x` and output: the same shape
    pub(crate) fn narrowed<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::None => x,
            Self::Bf16 => in_type(x, DType::BF16),
        }
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
