//! Which model a folder holds: hashes of what decides its numbers.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::HfFolder;
use super::shards::{WeightFiles, weight_files};
use crate::error::LmError;

/// Keys of `config.json` that change no number here: weights are always read as f32.
const CHANGES_NOTHING: [&str; 5] = [
    "_name_or_path",
    "transformers_version",
    "torch_dtype",
    "dtype",
    "use_cache",
];

/// Hashes of a folder's parts, SHA-256 in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderFingerprint {
    /// `config.json`, whatever the order of its keys and its white space, less keys that change no
    /// number (`transformers_version` and such).
    pub config: String,
    /// The files of the weights, in the order of their names.
    pub weights: String,
    /// `tokenizer.json`, and the tokens that end a text.
    pub tokenizer: String,
}

impl HfFolder {
    /// Hashes of configuration, weights and tokenizer: a folder in which something was changed has
    /// others. `stop_tokens` are those of the folder's tokenizer.
    ///
    /// # Errors
    ///
    /// [`LmError::MissingFile`], [`LmError::Io`].
    pub fn fingerprint(&self, stop_tokens: &[u32]) -> Result<FolderFingerprint, LmError> {
        let mut config = Sha256::new();
        let mut hashed = self.config.clone();
        if let Value::Object(keys) = &mut hashed {
            keys.retain(|key, _| !CHANGES_NOTHING.contains(&key.as_str()));
        }
        hash_json(&hashed, &mut config);

        // Files of tens of gigabytes: a thread each, and none is read whole.
        let WeightFiles { files, map } = weight_files(&self.path)?;
        let digests = std::thread::scope(|scope| {
            let threads: Vec<_> = files
                .iter()
                .map(|file| scope.spawn(|| file_digest(file)))
                .collect();
            let joined = threads.into_iter().map(|thread| match thread.join() {
                Ok(digest) => digest,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            joined.collect::<Result<Vec<_>, _>>()
        })?;
        let mut weights = Sha256::new();
        for digest in digests {
            weights.update(digest);
        }
        // A tensor that is in several files is read from the one that the index names.
        for (tensor, file) in &map {
            weights.update(tensor.as_bytes());
            weights.update([0]);
            weights.update(file.as_bytes());
            weights.update([0]);
        }

        let mut tokenizer = Sha256::new();
        tokenizer.update(file_digest(&self.path.join("tokenizer.json"))?);
        for token in stop_tokens {
            tokenizer.update(token.to_le_bytes());
        }
        Ok(FolderFingerprint {
            config: hexadecimal(config),
            weights: hexadecimal(weights),
            tokenizer: hexadecimal(tokenizer),
        })
    }
}

fn hexadecimal(hash: Sha256) -> String {
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn file_digest(path: &Path) -> Result<[u8; 32], LmError> {
    let mut file = File::open(path).map_err(LmError::io("read", path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut buffer).map_err(LmError::io("read", path))?;
        if count == 0 {
            return Ok(hash.finalize().into());
        }
        hash.update(&buffer[..count]);
    }
}

/// Keys in alphabetical order; every text ends where a byte stands that JSON texts do not hold.
fn hash_json(value: &Value, hash: &mut Sha256) {
    match value {
        Value::Object(object) => {
            let mut keys: Vec<&String> = object.keys().collect();
            keys.sort();
            hash.update(b"{");
            for key in keys {
                hash.update(key.as_bytes());
                hash.update([0]);
                hash_json(&object[key], hash);
            }
            hash.update(b"}");
        }
        Value::Array(values) => {
            hash.update(b"[");
            for value in values {
                hash_json(value, hash);
            }
            hash.update(b"]");
        }
        plain => {
            hash.update(plain.to_string().as_bytes());
            hash.update([0]);
        }
    }
}
