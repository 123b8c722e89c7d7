//! The peak memory of this process.

/// Peak resident memory in MiB since the start or the last reset; `None` if the system does not
/// report it.
pub fn peak_mebibytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kibibytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes / 1024.0)
}

/// Resets the peak to the current memory, if the system supports it.
pub fn reset_peak() {
    // Writing 5 to this file resets the peak (proc(5)). A system without it keeps the peak since
    // the start.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
