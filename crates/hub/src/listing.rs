//! The files of a commit, as the hub lists them and as the cache remembers them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use atomic_write_file::AtomicWriteFile;
use serde::{Deserialize, Serialize};

use crate::error::HubError;
use crate::reference::{is_commit, is_hex, is_safe_path};

/// Version of the format in which a list is kept.
const FORMAT: u32 = 1;
/// Largest list that is read, in bytes: some hundred thousand files.
pub(crate) const LARGEST: u64 = 32 << 20;

/// The files of a commit by their paths.
///
/// # References
///
/// Kept as `huggingface_hub` 2 keeps it in `trees/COMMIT.json` (its module `_tree_cache`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listing {
    format_version: u32,
    files: BTreeMap<String, Entry>,
}

/// What is listed of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blob_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lfs_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lfs_size: Option<u64>,
}

/// What a file must be: its size and its hash, which is also its name among the blobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) size: u64,
    pub(crate) hash: Hash,
}

/// The hash of a file, in base 16.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    /// SHA-256 of the bytes: files in the large file storage.
    Sha256(String),
    /// SHA-1 of a Git blob: all others.
    GitBlob(String),
}

impl Hash {
    /// The hash as the hub's `etag` and the name of the blob.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Sha256(name) | Self::GitBlob(name) => name,
        }
    }
}

/// The hub's answer about a revision.
#[derive(Deserialize)]
struct Answer {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    #[serde(rename = "blobId")]
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: String,
    size: u64,
}

impl Listing {
    /// Reads the hub's answer about a revision: the commit and its files.
    ///
    /// # Errors
    ///
    /// [`HubError::BadAnswer`] if it is not such an answer, or names a file that would lie outside of the folder.
    ///
    /// # References
    ///
    /// `GET /api/models/ORGANIZATION/NAME/revision/REVISION?blobs=true`, as `HfApi.model_info(files_metadata=True)`
    /// asks it.
    pub(crate) fn from_answer(bytes: &[u8], address: &str) -> Result<(String, Self), HubError> {
        let answer: Answer =
            serde_json::from_slice(bytes).map_err(|error| HubError::bad_answer(address, error))?;
        if !is_commit(&answer.sha) {
            let reason = format!("its commit is {:?}", answer.sha);
            return Err(HubError::bad_answer(address, reason));
        }
        let mut files = BTreeMap::new();
        for sibling in answer.siblings {
            if !is_safe_path(&sibling.rfilename) {
                let reason = format!(
                    "it lists the file {:?}, which is no path",
                    sibling.rfilename
                );
                return Err(HubError::bad_answer(address, reason));
            }
            let (lfs_sha256, lfs_size) = match sibling.lfs {
                Some(lfs) => (Some(lfs.sha256), Some(lfs.size)),
                None => (None, None),
            };
            let entry = Entry {
                size: sibling.size,
                blob_id: sibling.blob_id,
                lfs_sha256,
                lfs_size,
            };
            files.insert(sibling.rfilename, entry);
        }
        let listing = Self {
            format_version: FORMAT,
            files,
        };
        Ok((answer.sha, listing))
    }

    /// The list that is kept in a file; nothing if there is none that this version understands: then the hub is
    /// asked again.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        let size = path.metadata().ok()?.len();
        if size > LARGEST {
            return None;
        }
        let listing: Self = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        let understood =
            listing.format_version == FORMAT && listing.files.keys().all(|name| is_safe_path(name));
        understood.then_some(listing)
    }

    /// Keeps the list in a file.
    pub(crate) fn write(&self, path: &Path) -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = AtomicWriteFile::open(path)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.commit()
    }

    /// Whether there is such a file.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    /// Paths of all files.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// What a listed file must be.
    ///
    /// # Errors
    ///
    /// [`HubError::BadAnswer`] if the list does not say it.
    pub(crate) fn identity(&self, name: &str) -> Result<Identity, HubError> {
        let failed =
            |reason: &str| HubError::bad_answer(&format!("the list of files for {name}"), reason);
        let entry = self.files.get(name);
        let entry = entry.ok_or_else(|| failed("the file is not in it"))?;
        let (size, hash) = match (&entry.lfs_sha256, &entry.blob_id) {
            (Some(sha256), _) if is_hex(sha256, 64) => {
                (entry.lfs_size, Hash::Sha256(sha256.clone()))
            }
            (None, Some(blob)) if is_hex(blob, 40) => (entry.size, Hash::GitBlob(blob.clone())),
            _ => return Err(failed("it has no hash")),
        };
        let size = size.ok_or_else(|| failed("it has no size"))?;
        Ok(Identity { size, hash })
    }
}
