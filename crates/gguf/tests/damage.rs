//! Damaged files: an error for every one, never a panic and never much memory.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use common::fixture;
use gguf::Gguf;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Models whose metadata and tensors differ most.
const MODELS: [&str; 4] = [
    "llama3.gguf",
    "gemma3.gguf",
    "phi3.gguf",
    "pieces-llama.gguf",
];
/// Most bytes of address space that a file of twenty thousand bytes may ask for: far above what its reading and the
/// threads of the tests need, far below what an unchecked count of 32 bits asks for.
const MOST_BYTES: u64 = 1 << 30;

/// Does everything that a file can be asked for; whether any of it succeeded.
fn use_all(path: &Path) -> bool {
    let Ok(file) = Gguf::open(path) else {
        return false;
    };
    let tensors = file.tensors().iter();
    let tensors = tensors.map(|tensor| file.tensor(&tensor.name).is_ok());
    let tensors = tensors.collect::<Vec<_>>().contains(&true);
    let config = file.config().is_ok();
    let tokenizer = file.tokenizer().is_ok();
    let weights = file.weights().map_or(0, |weights| {
        let weights = weights.iter().map(|weight| file.weight_values(weight));
        weights.filter(Result::is_ok).count()
    });
    tensors || config || tokenizer || weights > 0
}

/// The largest address space that this process has had, in bytes.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmPeak:"))?;
    Some(1024 * line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?)
}

/// Changes some bytes, mostly of the header: single bits, whole numbers that are often special, or parts that move.
fn damage(bytes: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..bytes.len());
        match rng.random_range(0..5) {
            0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => bytes[at] = rng.random(),
            2 => {
                let numbers = [
                    0,
                    1,
                    u64::MAX,
                    1 << 31,
                    1 << 62,
                    rng.next_u64(),
                    rng.next_u64() >> 40,
                ];
                let number = numbers[rng.random_range(0..numbers.len())].to_le_bytes();
                let count = if rng.random() { 4 } else { 8 };
                let end = (at + count).min(bytes.len());
                bytes[at..end].copy_from_slice(&number[..end - at]);
            }
            3 => {
                bytes.remove(at);
            }
            _ => bytes.insert(at, rng.random()),
        }
    }
    bytes
}

fn try_damaged(seed: u64, name: &str, rounds: usize) -> usize {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let whole = std::fs::read(fixture(name)).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut used = 0;
    for _ in 0..rounds {
        std::fs::write(file.path(), damage(&whole, &mut rng)).unwrap();
        used += usize::from(use_all(file.path()));
    }
    used
}

#[test]
fn every_length_of_a_file_without_its_end_is_refused() {
    for name in MODELS {
        let whole = std::fs::read(fixture(name)).unwrap();
        // The last tensor is followed by zeros up to the alignment, which nobody needs.
        let zeros = whole.iter().rev().take_while(|byte| **byte == 0);
        let end = whole.len() - zeros.count().min(32);
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&whole).unwrap();
        for length in (0..end).rev() {
            file.as_file().set_len(length as u64).unwrap();
            assert!(Gguf::open(file.path()).is_err(), "{name}: {length} bytes");
        }
        assert!(use_all(&fixture(name)), "{name}");
    }
}

#[test]
fn thousands_of_damaged_files_neither_panic_nor_take_much_memory() {
    let before = peak();
    for (seed, name) in MODELS.into_iter().enumerate() {
        let used = try_damaged(seed as u64, name, 3000);
        // Otherwise the damage only tests the first checks.
        assert!(
            (100..2900).contains(&used),
            "{name}: {used} of 3000 files can be used"
        );
    }
    if let (Some(before), Some(after)) = (before, peak()) {
        let more = after - before;
        assert!(more < MOST_BYTES, "{more} bytes of address space");
    }
}

#[test]
#[ignore = "runs for ten minutes"]
fn damaged_files_for_ten_minutes() {
    let end = Instant::now() + Duration::from_secs(600);
    for seed in 1000.. {
        for name in MODELS {
            try_damaged(seed, name, 100);
        }
        if Instant::now() > end {
            println!("{} seeds", seed - 999);
            break;
        }
    }
}
