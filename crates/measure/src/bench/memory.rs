//! The peak memory of a worker: the device's, or this process's if the device is a processor.

use burn::tensor::Device;

const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// Peak memory in MiB since the start or the last [`reset_peak`]; `None` if the system does not
/// report it.
///
/// On a graphics card this is what Burn's allocator holds there: it returns nothing to the driver
/// while a step runs, so that what it holds is the most that it needed, rounded up to its pages.
pub fn peak_mebibytes(device: &Device) -> Option<f64> {
    match device.memory_pool_usage() {
        Some(usage) => Some(usage.bytes_reserved as f64 / MEBIBYTE),
        None => runs::memory::peak_resident().map(|bytes| bytes as f64 / MEBIBYTE),
    }
}

/// Resets the peak to the current memory, if the system supports it.
pub fn reset_peak(device: &Device) {
    device.memory_cleanup();
    // Writing 5 to this file resets the peak (proc(5)). A system without it keeps the peak since
    // the start.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
