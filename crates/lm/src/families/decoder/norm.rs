//! The norms of a decoder, whose weight is stored as `γ` or as `γ - 1`.

use burn::module::Initializer;
use burn::nn::{RmsNorm, RmsNormConfig};
use burn::tensor::{Device, Tensor};

use super::parts::{NormParts, NormWeight};
use crate::ops::{rms_norm, rms_norm_one_plus};

/// A norm that changes only the length of its input.
pub(super) fn new_norm(width: usize, parts: &NormParts, device: &Device) -> RmsNorm {
    let norm = RmsNormConfig::new(width)
        .with_epsilon(parts.epsilon)
        .init(device);
    match parts.weight {
        NormWeight::Plain => norm,
        NormWeight::OnePlus => RmsNorm {
            gamma: Initializer::Zeros.init([width], device),
            ..norm
        },
    }
}

/// Applies a norm over the last dimension; the result has the type of the norm's weight.
///
/// # Shapes
/// - `x` and output: `[batch, tokens, width]`
pub(super) fn normed(norm: &RmsNorm, weight: NormWeight, x: Tensor<3>) -> Tensor<3> {
    match weight {
        NormWeight::Plain => rms_norm(norm, x),
        NormWeight::OnePlus => rms_norm_one_plus(norm, x),
    }
}
