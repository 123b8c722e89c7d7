//! The cache on disk, in the layout of Python's `huggingface_hub`.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use atomic_write_file::AtomicWriteFile;

use crate::error::HubError;
use crate::listing::{Identity, Listing};
use crate::progress::Progress;
use crate::reference::is_commit;

/// Time between two looks at a lock that another process holds.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Longest file of `refs` that is read, in bytes: a commit and the end of a line.
const LONGEST_REF: u64 = 64;

/// What the cache holds of one model.
///
/// # References
///
/// "Understand caching" in the documentation of `huggingface_hub`: blobs by their `etag`, links to them in a folder
/// for each commit, the commit of each branch, and locks that its library `filelock` takes by `flock` as well.
pub(crate) struct ModelCache {
    folder: PathBuf,
    locks: PathBuf,
}

impl ModelCache {
    /// The part of a cache for `ORGANIZATION/NAME`; nothing is made on disk.
    pub(crate) fn new(cache: &Path, model: &str) -> Self {
        let name = format!("models--{}", model.replace('/', "--"));
        Self {
            folder: cache.join(&name),
            locks: cache.join(".locks").join(name),
        }
    }

    /// Folder of the model.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Folder of a commit.
    pub(crate) fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    /// Where a file lies under the name of its hash.
    pub(crate) fn blob(&self, identity: &Identity) -> PathBuf {
        self.folder.join("blobs").join(identity.hash.name())
    }

    /// Where a file lies until it is whole.
    pub(crate) fn partial(&self, identity: &Identity) -> PathBuf {
        let name = format!("{}.incomplete", identity.hash.name());
        self.folder.join("blobs").join(name)
    }

    /// Whether a file is there as a blob.
    pub(crate) fn has_blob(&self, identity: &Identity) -> bool {
        is_of_size(&self.blob(identity), identity.size)
    }

    /// Whether a file is there in the folder of a commit.
    pub(crate) fn has_file(&self, commit: &str, name: &str, identity: &Identity) -> bool {
        is_of_size(&self.snapshot(commit).join(name), identity.size)
    }

    /// The files of a commit, if the cache knows them: from this crate, or else from Python's library.
    pub(crate) fn listing(&self, commit: &str) -> Option<Listing> {
        let kept = |folder: &str| Listing::read(&self.kept(folder, commit));
        kept("listings").or_else(|| kept("trees"))
    }

    /// Remembers the files of a commit.
    ///
    /// Python's own list stays as it is: it would call a snapshot incomplete that lacks files which a model folder
    /// does not need.
    pub(crate) fn keep_listing(&self, commit: &str, listing: &Listing) -> Result<(), HubError> {
        if self.listing(commit).as_ref() == Some(listing) {
            return Ok(());
        }
        let path = self.kept("listings", commit);
        kept_if_writable(&path, listing.write(&path))
    }

    /// The commit that a branch or tag had when it was last asked for.
    pub(crate) fn commit_of(&self, revision: &str) -> Option<String> {
        let file = File::open(self.folder.join("refs").join(revision)).ok()?;
        let mut text = String::new();
        file.take(LONGEST_REF).read_to_string(&mut text).ok()?;
        let commit = text.trim();
        is_commit(commit).then(|| commit.to_string())
    }

    /// Remembers the commit of a branch or tag.
    pub(crate) fn keep_commit(&self, revision: &str, commit: &str) -> Result<(), HubError> {
        if is_commit(revision) || self.commit_of(revision).as_deref() == Some(commit) {
            return Ok(());
        }
        let path = self.folder.join("refs").join(revision);
        let write = || {
            make_parent(&path)?;
            let mut file = AtomicWriteFile::open(&path)?;
            file.write_all(commit.as_bytes())?;
            file.commit()
        };
        kept_if_writable(&path, write())
    }

    /// Waits until no other process fetches a file. The lock ends with the returned file.
    ///
    /// # Errors
    ///
    /// [`HubError::Io`]; [`HubError::Stopped`] if the caller does not want to wait.
    pub(crate) fn lock(
        &self,
        identity: &Identity,
        name: &str,
        progress: &mut dyn Progress,
    ) -> Result<File, HubError> {
        let path = self.locks.join(format!("{}.lock", identity.hash.name()));
        let open = || {
            make_parent(&path)?;
            File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)
        };
        let file = open().map_err(HubError::io(&path))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                // A file system without locks cannot keep two processes apart.
                Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
                    return Ok(file);
                }
                Err(TryLockError::Error(error)) => return Err(HubError::io(&path)(error)),
                Err(TryLockError::WouldBlock) if progress.waiting(name).is_break() => {
                    return Err(HubError::Stopped);
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOOK_AGAIN),
            }
        }
    }

    /// Puts a blob into the folder of a commit under the file's name.
    pub(crate) fn link(
        &self,
        commit: &str,
        name: &str,
        identity: &Identity,
    ) -> Result<(), HubError> {
        let path = self.snapshot(commit).join(name);
        let link = || {
            make_parent(&path)?;
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            link_to_blob(&self.blob(identity), &path, name)
        };
        match link() {
            // Another process has made it in between.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            other => other.map_err(HubError::io(&path)),
        }
    }

    fn kept(&self, folder: &str, commit: &str) -> PathBuf {
        self.folder.join(folder).join(format!("{commit}.json"))
    }
}

/// Makes the folder of a file.
pub(crate) fn make_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => fs::create_dir_all(folder),
        None => Ok(()),
    }
}

/// A cache that may only be read serves too; what would be remembered is asked for again the next time.
fn kept_if_writable(path: &Path, written: io::Result<()>) -> Result<(), HubError> {
    match written {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
            ) =>
        {
            Ok(())
        }
        other => other.map_err(HubError::io(path)),
    }
}

/// Relative, so that a cache can be moved.
#[cfg(unix)]
fn link_to_blob(blob: &Path, path: &Path, name: &str) -> io::Result<()> {
    let up = "../".repeat(name.split('/').count() + 1);
    let blob = blob.file_name().unwrap_or_default();
    std::os::unix::fs::symlink(Path::new(&up).join("blobs").join(blob), path)
}

/// Symbolic links need a privilege on Windows; one file with two names does not.
#[cfg(not(unix))]
fn link_to_blob(blob: &Path, path: &Path, _: &str) -> io::Result<()> {
    fs::hard_link(blob, path)
}

fn is_of_size(path: &Path, size: u64) -> bool {
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.len() == size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_cache_that_may_not_be_written_goes_without_memory() {
        let written = |kind: ErrorKind| kept_if_writable(Path::new("x"), Err(kind.into()));
        assert!(written(ErrorKind::PermissionDenied).is_ok());
        assert!(written(ErrorKind::ReadOnlyFilesystem).is_ok());
        for other in [ErrorKind::StorageFull, ErrorKind::NotADirectory] {
            assert!(
                matches!(written(other), Err(HubError::Io { .. })),
                "{other}"
            );
        }
    }
}
