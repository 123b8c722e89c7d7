//! What a fetch leaves in the cache of one file.

use std::fs;
use std::path::{Path, PathBuf};

use crate::repository::{COMMIT, Repository, git_hash, model_folder, sha256};

/// A large file.
pub const FILE: &str = "model.safetensors";
/// Bytes after which a connection breaks off.
pub const HALF: usize = 150_000;

pub fn blob(cache: &Path, name: &str) -> PathBuf {
    let bytes = &Repository::tiny().files[name];
    let hash = match name {
        FILE => sha256(bytes),
        _ => git_hash(bytes),
    };
    model_folder(cache).join("blobs").join(hash)
}

pub fn partial(cache: &Path, name: &str) -> PathBuf {
    let blob = blob(cache, name);
    blob.with_file_name(format!(
        "{}.incomplete",
        blob.file_name().unwrap().to_str().unwrap()
    ))
}

/// The cache has a whole file, and nothing half of it.
pub fn assert_whole(cache: &Path, name: &str) {
    assert_eq!(
        fs::read(blob(cache, name)).unwrap(),
        Repository::tiny().files[name]
    );
    let linked = model_folder(cache)
        .join("snapshots")
        .join(COMMIT)
        .join(name);
    assert_eq!(fs::read(linked).unwrap(), Repository::tiny().files[name]);
    assert!(!partial(cache, name).exists());
}

/// The cache does not offer a file under its name.
pub fn assert_not_offered(cache: &Path, name: &str) {
    assert!(!blob(cache, name).exists());
    assert!(
        !model_folder(cache)
            .join("snapshots")
            .join(COMMIT)
            .join(name)
            .exists()
    );
    assert!(!model_folder(cache).join("refs/main").exists());
}
