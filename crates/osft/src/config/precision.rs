//! In which precision the weights of a split are held while their cores train.

use burn::tensor::{DType, Device, FloatDType, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::OsftError;

/// In which precision the weight `W₀` of a split is held while its core trains.
///
/// The core, its gradient and its moments are f32 either way (f64 in a module of f64), the bases too, and so
/// is everything that is computed: a weight is widened where it is multiplied by, with [`Osft::linear`](crate::Osft::linear) for
/// one product. Only the target weights that have a core are held in bf16; embeddings, norms and fully free
/// or fully protected targets stay as they are. Memory is saved where the caller does not keep the f32
/// module beside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BasePrecision {
    /// That of the module. The weights of a module in f16 or bf16 are held so too, with cores in f32.
    #[default]
    Full,
    /// bf16: half of the memory of the weights. They are rounded before they are split, which changes
    /// nothing in weights that come from a bf16 checkpoint, and again when the task is finished: a change
    /// below 2⁻⁸ of a value may be lost there, and what is lost is not orthogonal to what is protected.
    /// [`Osft::leaks`](crate::Osft::leaks) of the module before [`Osft::finish`](crate::Osft::finish) are
    /// those of the f32 master, afterwards those of what is stored.
    Bf16,
}

impl BasePrecision {
    /// # Errors
    ///
    /// [`OsftError::NoBf16`] where a device has none.
    pub(crate) fn check(self, device: &Device) -> Result<(), OsftError> {
        match self == Self::Full || device.supports_dtype(DType::BF16) {
            true => Ok(()),
            false => Err(OsftError::NoBf16),
        }
    }

    /// A weight as it is held.
    pub(crate) fn held(self, weight: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Full => weight,
            Self::Bf16 => weight.cast(FloatDType::BF16),
        }
    }
}
