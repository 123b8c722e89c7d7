//! The most memory this process has held.

/// Mebibytes that were resident at most, since the start or the last reset; `None` where the system does
/// not say.
pub fn peak_mebibytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kibibytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes / 1024.0)
}

/// From now on only what is held from now on counts, where the system can be told so.
pub fn reset_peak() {
    // A 5 written to this file resets the peak (proc(5)); a system without it keeps the whole peak.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
