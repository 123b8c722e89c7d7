//! Whatever the files of a model folder hold, the folder is read or refused: never a panic, and never memory that a
//! damaged file asks for.

use std::fs;
use std::path::Path;

use crate::common::families::families;
use crate::common::{configs, folder, model};
use burn::tensor::Device;
use lm::{Decoder, HfFolder, Pretrained};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The seed of the cases; another one by the variable `FUZZ_SEED`, for longer searches.
fn seed() -> u64 {
    let given = std::env::var("FUZZ_SEED").ok();
    given.and_then(|seed| seed.parse().ok()).unwrap_or(19)
}

/// Changes, inserts or removes a few bytes.
fn damaged(bytes: &[u8], within: usize, rng: &mut impl Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..rng.random_range(1..4) {
        let place = rng.random_range(0..within.min(bytes.len()).max(1));
        // Digits and quotes change what JSON means more often than other bytes.
        let byte = match rng.random_range(0..3) {
            0 => b"0123456789"[rng.random_range(0..10)],
            1 => b"\"{}[],:-e"[rng.random_range(0..9)],
            _ => rng.random(),
        };
        match rng.random_range(0..3) {
            0 if place < bytes.len() => bytes[place] = byte,
            1 if place < bytes.len() => {
                bytes.remove(place);
            }
            _ => bytes.insert(place.min(bytes.len()), byte),
        }
    }
    bytes
}

#[test]
fn damaged_configurations_of_every_family_are_read_or_refused() {
    let device = Device::flex();
    let path = Path::new("config.json");
    let mut rng = ChaCha8Rng::seed_from_u64(seed());
    let (mut read, mut refused) = (0, 0);
    for (_, config) in families() {
        let original = config.to_string().into_bytes();
        for _ in 0..1000 {
            let damaged = damaged(&original, original.len(), &mut rng);
            let Ok(config) = serde_json::from_slice(&damaged) else {
                continue;
            };
            match Decoder::from_config(&config, path, &device) {
                Ok(_) => read += 1,
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    refused += 1;
                }
            }
        }
    }
    assert!(
        read > 500 && refused > 500,
        "{read} read, {refused} refused"
    );
}

#[test]
fn damaged_files_are_read_or_refused() {
    let device = Device::flex();
    let scratch = tempfile::tempdir().unwrap();
    let (_, config) = &configs()[0];
    let whole = folder(config, &model(config, 4, &device), scratch.path());
    let path = whole.path().to_path_buf();
    let mut rng = ChaCha8Rng::seed_from_u64(seed());
    let (mut read, mut refused) = (0, 0);
    for file in [
        "model.safetensors",
        "config.json",
        "tokenizer_config.json",
        "generation_config.json",
    ] {
        let Ok(original) = fs::read(path.join(file)) else {
            continue;
        };
        // Of weights, the header: every value is a valid number or refused as not finite.
        let within = match file {
            "model.safetensors" => {
                8 + u64::from_le_bytes(original[..8].try_into().unwrap()) as usize
            }
            _ => original.len(),
        };
        for _ in 0..3000 {
            fs::write(path.join(file), damaged(&original, within, &mut rng)).unwrap();
            let loaded = HfFolder::open(&path).and_then(|folder| {
                folder.stop_tokens()?;
                folder.chat_template(chrono::NaiveDate::MIN)?;
                folder.load::<Decoder>(&device)
            });
            match loaded {
                Ok(_) => read += 1,
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    refused += 1;
                }
            }
        }
        fs::write(path.join(file), original).unwrap();
    }
    assert!(
        read > 100 && refused > 3000,
        "{read} read, {refused} refused"
    );
}
