//! Precision of the base weights while their cores train.

use burn::tensor::{DType, Device, FloatDType, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::OsftError;

/// Precision in which the weight `W₀` of a split is stored while its core trains.
///
/// The core, its gradient and its optimizer moments are f32 in either case (f64 in a module of f64). So are
/// the bases and all computations: a weight is widened for each product, with
/// [`Osft::linear`](crate::Osft::linear) for one product at a time. Only target weights that have a core are
/// stored in bf16; embeddings, norms and fully free or fully protected targets keep their type. This saves
/// memory only if the caller drops the f32 module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BasePrecision {
    /// The precision of the module. Weights in f16 or bf16 stay in that type and have cores in f32.
    #[default]
    Full,
    /// bf16, which halves the memory of the weights. The weights are rounded before they are split, which
    /// changes nothing if they come from a bf16 checkpoint, and again when the task is finished. The second
    /// rounding may lose a change below 2⁻⁸ of a value, and the rounding error is not orthogonal to the
    /// protected directions. Before [`Osft::finish`](crate::Osft::finish),
    /// [`Osft::leaks`](crate::Osft::leaks) measures the f32 weights, afterwards the stored ones.
    Bf16,
}

impl BasePrecision {
    /// # Errors
    ///
    /// [`OsftError::NoBf16`] if the device does not support bf16.
    pub(crate) fn check(self, device: &Device) -> Result<(), OsftError> {
        match self == Self::Full || device.supports_dtype(DType::BF16) {
            true => Ok(()),
            false => Err(OsftError::NoBf16),
        }
    }

    /// Casts a weight to the stored precision.
    pub(crate) fn rounded(self, weight: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Full => weight,
            Self::Bf16 => weight.cast(FloatDType::BF16),
        }
    }
}
