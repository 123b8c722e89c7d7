//! Numbers to compute with, and several threads to compute on.
#![allow(clippy::unwrap_used)]

/// Numbers between -3 and 3.
pub fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32 * 6.0 - 3.0
    };
    (0..count).map(|_| next()).collect()
}

pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// What `work` gives on one thread; the same on three.
pub fn on_any_threads<T: PartialEq + std::fmt::Debug + Send>(work: impl Fn() -> T + Sync) -> T {
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(&work)
    };
    let one = on(1);
    assert_eq!(one, on(3));
    one
}
