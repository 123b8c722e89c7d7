//! The memory of this process and of the machine, where Linux reports it.

const PROCESS: &str = "/proc/self/status";
const MACHINE: &str = "/proc/meminfo";

/// Resident memory of this process in bytes.
pub fn resident() -> Option<u64> {
    bytes(PROCESS, "VmRSS:")
}

/// The most that was resident since the start or the last reset, in bytes.
pub fn peak_resident() -> Option<u64> {
    bytes(PROCESS, "VmHWM:")
}

/// Memory that a new program can take, in bytes.
pub fn available() -> Option<u64> {
    bytes(MACHINE, "MemAvailable:")
}

/// The number of KiB in the line of a file that begins with `name`, as bytes.
fn bytes(file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}
