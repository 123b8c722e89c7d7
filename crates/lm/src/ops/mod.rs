//! Operations that save less for the backward pass than the same computation composed of Burn's own
//! operations: they recompute what is cheap to recompute. On the processor backend flex, chains of elementwise
//! operations run in one vectorized pass (the crate `kernels`).
//!
//! If this crate was built without the feature of a backend (`flex`, `ndarray`, `wgpu`, `cuda`), Burn's
//! operations do the same work with more memory.

mod attention;
mod gate;
mod gelu_gate;
mod likelihood;
mod linear;
#[cfg(test)]
mod mixed_tests;
mod norm;
mod precision;
mod recompute;
mod rotation;
#[cfg(test)]
mod tests;

use burn::backend::DispatchDevice;
use burn::tensor::Device;

pub(crate) use attention::attend;
pub(crate) use gate::silu_gate;
pub(crate) use gelu_gate::gelu_gate;
pub(crate) use likelihood::{negative_log_likelihood, token_losses};
pub(crate) use linear::linear;
pub(crate) use norm::{rms_norm, rms_norm_one_plus};
pub use precision::MixedPrecision;
pub(crate) use precision::in_type;
pub(crate) use rotation::rotate;

/// Whether the operations were built for the backend of a device, with or without autodiff; Burn panics otherwise.
fn built_for(device: &Device) -> bool {
    match device.clone().without_autodiff().as_dispatch() {
        #[cfg(feature = "flex")]
        DispatchDevice::Flex(_) => true,
        #[cfg(feature = "ndarray")]
        DispatchDevice::NdArray(_) => true,
        #[cfg(any(feature = "wgpu", feature = "cuda"))]
        DispatchDevice::Cube(_) => true,
        #[allow(unreachable_patterns)]
        _ => false,
    }
}
