//! A whole snapshot: from the cache where it is complete, else from the hub.

use std::path::PathBuf;

use crate::cache::ModelCache;
use crate::client::Client;
use crate::download::{Commit, Download};
use crate::error::HubError;
use crate::listing::Listing;
use crate::progress::Progress;
use crate::reference::Reference;
use crate::selection;
use crate::settings::Hub;

/// Brings a model, or one of its GGUF files, and says where it is.
///
/// # Errors
///
/// [`HubError::Reference`] if the text names no model, and the errors of [`Hub::snapshot`].
pub fn resolve(
    reference: &str,
    hub: &Hub,
    progress: &mut dyn Progress,
) -> Result<PathBuf, HubError> {
    let reference: Reference = reference.parse()?;
    let snapshot = hub.snapshot(&reference, progress)?;
    Ok(match reference.file() {
        Some(file) => snapshot.folder.join(file),
        None => snapshot.folder,
    })
}

/// The files of a model at a commit.
#[derive(Debug)]
pub struct Snapshot {
    /// Folder with the files.
    pub folder: PathBuf,
    /// The commit, in full.
    pub commit: String,
    /// Why the hub could not be asked whether the branch has moved on, so that the commit is the one of the last
    /// fetch; nothing if it was asked or needed no asking.
    pub unconfirmed: Option<HubError>,
}

impl Hub {
    /// Brings the files of a model at a revision into the cache.
    ///
    /// A commit that is complete in the cache is used without the network. Of a branch or tag the hub is asked which
    /// commit it is; if it does not answer, the commit of the last fetch is used, and [`Snapshot::unconfirmed`] says
    /// so.
    ///
    /// A snapshot is complete if it has every needed file with its listed size. Where the cache has no list of the
    /// commit's files, and the hub is not there to give it, it must have configuration, tokenizer and all weights.
    ///
    /// # Errors
    ///
    /// [`HubError`]: every variant says when.
    pub fn snapshot(
        &self,
        reference: &Reference,
        progress: &mut dyn Progress,
    ) -> Result<Snapshot, HubError> {
        let cache = ModelCache::new(&self.cache, reference.model());
        let snapshot = |commit: String, unconfirmed| Snapshot {
            folder: cache.snapshot(&commit),
            commit,
            unconfirmed,
        };
        let commit = reference.revision();
        if reference.is_commit()
            && let Some(listing) = cache.listing(commit)
            && lacks(&cache, commit, &listing, reference).is_none()
        {
            return Ok(snapshot(commit.to_string(), None));
        }
        if self.offline {
            return match cached(&cache, reference) {
                Ok(commit) => Ok(snapshot(commit, None)),
                Err(missing) => Err(HubError::Offline {
                    reference: reference.to_string(),
                    missing,
                }),
            };
        }
        let client = Client::new(self)?;
        match client.listing(reference) {
            Ok((commit, listing)) => {
                fetch(&client, &cache, reference, &commit, &listing, progress)?;
                Ok(snapshot(commit, None))
            }
            Err(error) if error.is_passing() => match cached(&cache, reference) {
                Ok(commit) => Ok(snapshot(commit, Some(error))),
                Err(missing) => Err(HubError::NotCached {
                    error: Box::new(error),
                    missing,
                }),
            },
            Err(error) => Err(error),
        }
    }
}

/// Fetches what the cache lacks of a commit, and remembers that it has it.
fn fetch(
    client: &Client<'_>,
    cache: &ModelCache,
    reference: &Reference,
    commit: &str,
    listing: &Listing,
    progress: &mut dyn Progress,
) -> Result<(), HubError> {
    let mut files = selection::files(listing, reference)?;
    let of = Commit {
        cache,
        reference,
        hash: commit,
    };
    let mut download = Download {
        client,
        bytes: 0,
        total: total(listing, &files)?,
        received: 0,
    };
    // The index comes first, since it says what else there is.
    if let Some(place) = files.iter().position(|name| name == selection::INDEX) {
        let index = files.remove(place);
        download.fetch(of, &index, &listing.identity(&index)?, progress)?;
        let shards = selection::shards(&cache.snapshot(commit).join(&index), listing)?;
        files.extend(shards);
        download.total = download.bytes.saturating_add(total(listing, &files)?);
    }
    check_room(cache, needed(cache, commit, listing, &files)?)?;
    for name in &files {
        download.fetch(of, name, &listing.identity(name)?, progress)?;
    }
    cache.keep_listing(commit, listing)?;
    cache.keep_commit(reference.revision(), commit)
}

/// The commit that the cache holds completely for a reference, or what it lacks.
fn cached(cache: &ModelCache, reference: &Reference) -> Result<String, String> {
    let revision = reference.revision();
    let commit = match reference.is_commit() {
        true => Some(revision.to_string()),
        false => cache.commit_of(revision),
    };
    let snapshot = commit.as_deref().map(|commit| cache.snapshot(commit));
    let (Some(commit), Some(snapshot)) = (commit, snapshot.filter(|folder| folder.is_dir())) else {
        return Err(format!(
            "nothing of {} was fetched at {revision}",
            reference.model()
        ));
    };
    let missing = match cache.listing(&commit) {
        Some(listing) => lacks(cache, &commit, &listing, reference),
        None => selection::lacks(&snapshot, reference),
    };
    match missing {
        Some(missing) => Err(format!("{} lacks {missing}", snapshot.display())),
        None => Ok(commit),
    }
}

/// The first thing that a snapshot lacks by the list of its files.
fn lacks(
    cache: &ModelCache,
    commit: &str,
    listing: &Listing,
    reference: &Reference,
) -> Option<String> {
    let missing = |name: &String| match listing.identity(name) {
        Ok(identity) => !cache.has_file(commit, name, &identity),
        Err(_) => true,
    };
    let files = match selection::files(listing, reference) {
        Ok(files) => files,
        Err(error) => return Some(error.to_string()),
    };
    if let Some(name) = files.iter().find(|name| missing(name)) {
        return Some(name.clone());
    }
    if !files.iter().any(|name| name == selection::INDEX) {
        return None;
    }
    let index = cache.snapshot(commit).join(selection::INDEX);
    match selection::shards(&index, listing) {
        Ok(shards) => shards.into_iter().find(missing),
        Err(error) => Some(error.to_string()),
    }
}

fn total(listing: &Listing, files: &[String]) -> Result<u64, HubError> {
    let mut total = 0_u64;
    for name in files {
        let more = total.checked_add(listing.identity(name)?.size);
        total = more.ok_or_else(|| {
            HubError::bad_answer(
                "the list of files",
                "the sizes add up to more than 2^64 bytes",
            )
        })?;
    }
    Ok(total)
}

/// Whether the disk has room for what is still to come.
fn check_room(cache: &ModelCache, needed: u64) -> Result<(), HubError> {
    if needed == 0 {
        return Ok(());
    }
    let folder = cache.folder();
    std::fs::create_dir_all(folder).map_err(HubError::io(folder))?;
    let available = fs4::available_space(folder).map_err(HubError::io(folder))?;
    match needed > available {
        true => Err(HubError::DiskFull {
            folder: folder.to_path_buf(),
            needed,
            available,
        }),
        false => Ok(()),
    }
}

/// Bytes that are still to come.
fn needed(
    cache: &ModelCache,
    commit: &str,
    listing: &Listing,
    files: &[String],
) -> Result<u64, HubError> {
    let mut needed = 0_u64;
    for name in files {
        let identity = listing.identity(name)?;
        if !cache.has_file(commit, name, &identity) && !cache.has_blob(&identity) {
            let partial = cache.partial(&identity);
            let kept = partial.metadata().map_or(0, |kept| kept.len());
            needed = needed.saturating_add(identity.size.saturating_sub(kept));
        }
    }
    Ok(needed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_fetch_left_needs_no_room() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ModelCache::new(folder.path(), "a/b");
        let commit = "0".repeat(40);
        let file = |digit: &str| {
            format!(
                r#"{{"rfilename": "{digit}", "size": 10, "blobId": "{}"}}"#,
                digit.repeat(40)
            )
        };
        let answer = format!(
            r#"{{"sha": "{commit}", "siblings": [{}, {}, {}]}}"#,
            file("1"),
            file("2"),
            file("3")
        );
        let (_, listing) = Listing::from_answer(answer.as_bytes(), "").unwrap();
        let files = ["1", "2", "3"].map(str::to_string);
        assert_eq!(needed(&cache, &commit, &listing, &files).unwrap(), 30);
        let write = |path: PathBuf, bytes: &[u8]| {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        write(cache.partial(&listing.identity("1").unwrap()), &[0; 4]);
        write(cache.blob(&listing.identity("2").unwrap()), &[0; 10]);
        assert_eq!(needed(&cache, &commit, &listing, &files).unwrap(), 16);
    }
}
