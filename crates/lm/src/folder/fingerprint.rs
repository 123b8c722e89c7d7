//! Fingerprint of a model folder: hashes of everything that decides the model's numbers.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::HfFolder;
use super::shards::{WeightFiles, weight_files};
use crate::error::LmError;

/// Keys of `config.json` that do not change the model's numbers, since weights are always read as f32.
const KEYS_WITHOUT_EFFECT: [&str; 5] = [
    "_name_or_path",
    "transformers_version",
    "torch_dtype",
    "dtype",
    "use_cache",
];

/// Hashes of the parts of a model folder: SHA-256 in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderFingerprint {
    /// `config.json`, independent of key order and white space, without keys that do not change the model's
    /// numbers (such as `transformers_version`).
    pub config: String,
    /// The weight files, in the order of their names.
    pub weights: String,
    /// `tokenizer.json` and the tokens that end a text.
    pub tokenizer: String,
}

impl HfFolder {
    /// Hashes configuration, weights and tokenizer. The hashes of two folders differ if their models differ.
    /// `stop_tokens` are the [stop tokens](crate::TextTokenizer::stop_tokens) of the folder's tokenizer.
    ///
    /// # Errors
    ///
    /// [`LmError::MissingFile`] if the folder has no weights, [`LmError::Json`] if the index of its shards
    /// cannot be read, [`LmError::Io`] if a file cannot be read.
    pub fn fingerprint(&self, stop_tokens: &[u32]) -> Result<FolderFingerprint, LmError> {
        let mut config = Sha256::new();
        let mut hashed = self.config.clone();
        if let Value::Object(keys) = &mut hashed {
            keys.retain(|key, _| !KEYS_WITHOUT_EFFECT.contains(&key.as_str()));
        }
        hash_json(&hashed, &mut config);

        // One thread per file, and no file is loaded whole: files may have tens of gigabytes.
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
        // If several files contain a tensor, the index decides which one is read.
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

/// Hashes keys in alphabetical order. A byte that does not occur in JSON text ends every string.
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
