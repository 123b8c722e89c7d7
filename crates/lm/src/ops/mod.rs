//! Operations that save less for the backward pass than the same composed of Burn's own: what is cheap to
//! recompute from their inputs is not saved.
//!
//! Burn's operations do the same work with more memory where this crate was built without the backend's
//! feature (`flex`, `ndarray`, `wgpu`, `cuda`).

mod attention;
mod gate;
mod norm;
mod recompute;
#[cfg(test)]
mod tests;

use burn::backend::DispatchDevice;
use burn::tensor::Device;

pub(crate) use attention::attend;
pub(crate) use gate::silu_gate;
pub(crate) use norm::rms_norm;

/// Whether the operations were built for a device's backend; Burn panics where they were not.
fn built_for(device: &Device) -> bool {
    match device.as_dispatch() {
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
