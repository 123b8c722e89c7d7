//! The processor of this machine.

/// The processor's model and its widest vector extension: a ratio between timings holds for one
/// processor. Where the system does not say the model, its architecture.
pub fn processor() -> String {
    let model = model().unwrap_or_else(|| format!("unknown {} processor", std::env::consts::ARCH));
    match vectors() {
        Some(extension) => format!("{model} with {extension}"),
        None => model,
    }
}

/// The model as Linux reports it.
fn model() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    let (_, name) = line.split_once(':')?;
    // Some vendors pad the name.
    Some(name.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(target_arch = "x86_64")]
fn vectors() -> Option<&'static str> {
    if is_x86_feature_detected!("avx512f") {
        Some("AVX-512")
    } else if is_x86_feature_detected!("avx2") {
        Some("AVX2")
    } else {
        None
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn vectors() -> Option<&'static str> {
    // NEON is part of every 64-bit ARM processor.
    cfg!(target_arch = "aarch64").then_some("NEON")
}
