//! The compute backends; no other file names them.

#[cfg(feature = "cuda")]
mod kernel_cache;

use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Result, bail};
use burn::tensor::{Device, Tensor};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A compute backend, chosen at run time among those compiled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// CPU, pure Rust (the default: the faster of the two CPU backends).
    Flex,
    /// CPU, the reference backend of the tests.
    Ndarray,
    /// GPU through WebGPU: Vulkan, Metal or DirectX 12.
    Wgpu,
    /// NVIDIA GPU.
    Cuda,
}

impl Backend {
    /// All backends, the default one first.
    pub const ALL: [Self; 4] = [Self::Flex, Self::Ndarray, Self::Wgpu, Self::Cuda];

    /// Its name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::Ndarray => "ndarray",
            Self::Wgpu => "wgpu",
            Self::Cuda => "cuda",
        }
    }

    /// Whether it computes on the processor's cores.
    pub fn is_processor(self) -> bool {
        matches!(self, Self::Flex | Self::Ndarray)
    }

    /// Whether it is part of this build.
    pub fn is_compiled_in(self) -> bool {
        match self {
            Self::Flex => cfg!(feature = "flex"),
            Self::Ndarray => cfg!(feature = "ndarray"),
            Self::Wgpu => cfg!(feature = "wgpu"),
            Self::Cuda => cfg!(feature = "cuda"),
        }
    }

    /// Opens the backend's device.
    ///
    /// # Errors
    ///
    /// If the backend is not compiled in or finds no device; the message says how to get it.
    pub fn device(self) -> Result<Device> {
        let name = self.name();
        if !self.is_compiled_in() {
            bail!(
                "backend {name} is not in this build; rebuild with: \
                 cargo run --release -p {} --features {name} -- …",
                program()
            );
        }
        #[cfg(feature = "cuda")]
        if !self.is_processor() {
            kernel_cache::keep_kernels();
        }
        let device = self.compiled_device();
        // Drivers are loaded by the first operation; a missing driver panics there.
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let works = catch_unwind(AssertUnwindSafe(|| {
            Tensor::<1>::ones([1], &device).into_scalar::<f32>() == 1.0
        }));
        std::panic::set_hook(hook);
        match works {
            Ok(true) => Ok(device),
            _ => bail!(
                "backend {name} finds no usable device; {}",
                self.driver_hint()
            ),
        }
    }

    /// The backend's name, with the graphics card's where it computes on one: a figure holds for
    /// one card.
    pub fn describe(self, device: &Device) -> String {
        match card(device) {
            Some(card) => format!("{} on {card}", self.name()),
            None => self.name().to_string(),
        }
    }

    fn compiled_device(self) -> Device {
        match self {
            #[cfg(feature = "flex")]
            Self::Flex => Device::flex(),
            #[cfg(feature = "ndarray")]
            Self::Ndarray => ndarray(),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => Device::wgpu(burn::tensor::DeviceKind::DefaultDevice),
            #[cfg(feature = "cuda")]
            Self::Cuda => Device::cuda(0),
            #[allow(unreachable_patterns)] // Not where every backend is compiled in.
            other => unreachable!("{} is not compiled in", other.name()),
        }
    }

    fn driver_hint(self) -> &'static str {
        match self {
            Self::Flex | Self::Ndarray => "this is a bug: a CPU backend needs no driver",
            Self::Wgpu => {
                "install a Vulkan driver (in software: mesa-vulkan-drivers), \
                 or use --backend flex"
            }
            Self::Cuda => {
                "install an NVIDIA driver and a CUDA toolkit with NVRTC (docs/backends.md), \
                 or use --backend flex"
            }
        }
    }
}

/// The package of this program.
fn program() -> &'static str {
    let path = std::env::args().next().unwrap_or_default();
    match std::path::Path::new(&path).file_stem() {
        Some(name) if name == "osft" => "cli",
        _ => "experiments",
    }
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn card(device: &Device) -> Option<String> {
    device.identity().map(|identity| identity.name)
}

#[cfg(not(any(feature = "wgpu", feature = "cuda")))]
fn card(_: &Device) -> Option<String> {
    None
}

/// Burn 0.22 announces the removal of this backend, and the project's tests must run on it. To
/// remove it, delete this function and its line above.
#[cfg(feature = "ndarray")]
#[allow(deprecated)]
fn ndarray() -> Device {
    Device::ndarray()
}
