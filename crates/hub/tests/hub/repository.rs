//! A model as the hub answers about it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hub::{Hub, HubError, Reference, Snapshot, Timeouts};
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::server::{Reply, Request, Server};

pub const MODEL: &str = "some-lab/Tiny-1.5";
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// Files of this size and more are in the large file storage.
const LARGE: usize = 10_000;

/// The files of a model at its only commit.
#[derive(Clone, Default)]
pub struct Repository {
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Repository {
    /// Everything that a small model has, and some files that are not fetched.
    pub fn tiny() -> Self {
        let mut all = Self::default();
        for (name, bytes) in [
            ("config.json", b"{\"model_type\": \"llama\"}".to_vec()),
            ("generation_config.json", b"{}".to_vec()),
            ("tokenizer.json", b"{\"version\": \"1.0\"}".to_vec()),
            ("tokenizer_config.json", b"{\"a\": 1}".to_vec()),
            ("vocab.json", b"{\"b\": 1}".to_vec()),
            ("LICENSE", b"all is allowed".to_vec()),
            ("README.md", b"# Tiny".to_vec()),
            ("empty.txt", Vec::new()),
            ("model.safetensors", weights(1)),
            ("pytorch_model.bin", weights(2)),
            ("modeling_tiny.py", b"print('run')".to_vec()),
            ("onnx/model.onnx", weights(3)),
            (".gitattributes", b"*.safetensors filter=lfs".to_vec()),
        ] {
            all.files.insert(name.to_string(), bytes);
        }
        all
    }

    /// Names of the files of [`Self::tiny`] that are fetched.
    pub fn tiny_names() -> Vec<&'static str> {
        let mut names = vec![
            "config.json",
            "generation_config.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "LICENSE",
            "README.md",
            "model.safetensors",
        ];
        names.sort_unstable();
        names
    }

    /// The model with its weights in two shards.
    pub fn sharded() -> Self {
        let mut all = Self::tiny();
        all.files.remove("model.safetensors");
        let map = json!({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}});
        all.put("model.safetensors.index.json", map.to_string());
        all.put("model-1.safetensors", weights(4));
        all.put("model-2.safetensors", weights(5));
        all.put("model-3.safetensors", weights(6));
        all
    }

    pub fn put(&mut self, name: &str, bytes: impl Into<Vec<u8>>) {
        self.files.insert(name.to_string(), bytes.into());
    }

    /// The answer about a revision.
    pub fn listing(&self) -> Value {
        let siblings = self.files.iter().map(|(name, bytes)| {
            let mut sibling = json!({
                "rfilename": name, "size": bytes.len(), "blobId": git_hash(bytes),
            });
            if bytes.len() >= LARGE {
                sibling["lfs"] =
                    json!({"sha256": sha256(bytes), "size": bytes.len(), "pointerSize": 130});
            }
            sibling
        });
        json!({"id": MODEL, "sha": COMMIT, "siblings": siblings.collect::<Vec<_>>()})
    }

    /// What the hub answers.
    pub fn answer(&self, request: &Request) -> Reply {
        let api = format!("/api/models/{MODEL}/revision/");
        if let Some(revision) = request.path.strip_prefix(&api) {
            let known = [
                "main?blobs=true",
                "refs%2Fpr%2F1?blobs=true",
                &format!("{COMMIT}?blobs=true"),
            ];
            return match known.contains(&revision) {
                true => Reply::new(200, self.listing().to_string()),
                false => Reply::new(404, "{}").header("x-error-code", "RevisionNotFound"),
            };
        }
        let name = request
            .path
            .strip_prefix(&format!("/{MODEL}/resolve/{COMMIT}/"));
        let file = name.and_then(|name| self.files.get(name));
        match file {
            Some(bytes) => part(bytes, request.from()),
            None => Reply::new(404, "{}").header("x-error-code", "RepoNotFound"),
        }
    }

    /// A hub that has this model.
    pub fn serve(self) -> Server {
        Server::start(move |request| self.answer(request))
    }

    /// A hub that has this model but answers otherwise about paths that end so.
    pub fn serve_but(
        self,
        end: &'static str,
        answer: impl Fn(&Request, Reply) -> Reply + Send + Sync + 'static,
    ) -> Server {
        Server::start(move |request| {
            let reply = self.answer(request);
            match request.path.ends_with(end) {
                true => answer(request, reply),
                false => reply,
            }
        })
    }
}

/// A file from a byte on, as servers send it.
pub fn part(bytes: &[u8], from: usize) -> Reply {
    match from {
        0 => Reply::new(200, bytes),
        _ if from >= bytes.len() => Reply::new(416, ""),
        _ => {
            let (last, total) = (bytes.len() - 1, bytes.len());
            Reply::new(206, &bytes[from..])
                .header("Content-Range", format!("bytes {from}-{last}/{total}"))
        }
    }
}

/// Bytes that look like nothing, more than a piece that is read at once.
pub fn weights(seed: u32) -> Vec<u8> {
    let numbers =
        (0..100_000_u32).map(|index| index.wrapping_add(seed).wrapping_mul(2_654_435_761));
    numbers.flat_map(u32::to_le_bytes).collect()
}

pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The hash by which Git names a file.
pub fn git_hash(bytes: &[u8]) -> String {
    let mut hash = Sha1::new_with_prefix(format!("blob {}\0", bytes.len()));
    hash.update(bytes);
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A hub at a server; its timeouts are longer than the pauses of a busy machine.
pub fn hub(endpoint: String, cache: &Path) -> Hub {
    Hub {
        cache: cache.to_path_buf(),
        endpoint,
        token: None,
        offline: false,
        timeouts: Timeouts {
            connect: Duration::from_secs(20),
            answer: Duration::from_secs(20),
            stall: Duration::from_secs(20),
        },
    }
}

pub fn fetch(hub: &Hub, reference: &str) -> Result<Snapshot, HubError> {
    let reference: Reference = reference.parse().unwrap();
    hub.snapshot(&reference, &mut ())
}

/// Names of the files in a folder.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Folder of the model in a cache.
pub fn model_folder(cache: &Path) -> PathBuf {
    cache.join("models--some-lab--Tiny-1.5")
}
