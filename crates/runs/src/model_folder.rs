//! The folder of a model that is named by its folder, by a GGUF file, or by its name on the hub.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use continual::ContinualError;
use gguf::Gguf;
use hub::{Hub, HubError, Reference, Transfer};

use crate::interrupt::{self, UnfinishedFolder};
use crate::progress::Progress;

/// The Hugging Face folder that `model` names.
///
/// - A folder is taken as it is.
/// - A GGUF file is unpacked to f32 in the user's folder for caches, once for the same content.
/// - `ORGANIZATION/NAME`, with `@REVISION` or `/FILE.gguf` behind it, is looked up in the cache that other tools share,
///   and fetched from the hub if it is not there. A path that exists is never looked up.
///
/// # Errors
///
/// If there is no such model, it cannot be fetched, or its file cannot be read.
pub fn model_folder(model: &Path) -> Result<PathBuf> {
    if model.is_dir() {
        return Ok(model.to_path_buf());
    }
    if model.is_file() && is_gguf(model) {
        return unpacked(model);
    }
    match on_hub(model) {
        Some(reference) => fetched(&reference),
        // The folder's own error says what was expected.
        None => Ok(model.to_path_buf()),
    }
}

/// The model of the hub that `model` names; `None` if it is a path that exists, or no name of the hub.
pub fn on_hub(model: &Path) -> Option<Reference> {
    let reference = model.to_str()?.parse().ok()?;
    (!model.exists()).then_some(reference)
}

fn is_gguf(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"))
}

/// The folder that a GGUF file was unpacked to.
fn unpacked(file: &Path) -> Result<PathBuf> {
    let gguf = Gguf::open(file)?;
    let caches = report::record::user_cache().with_context(|| {
        format!(
            "{} has to be unpacked, but neither XDG_CACHE_HOME nor HOME says where",
            file.display()
        )
    })?;
    let models = caches.join("models");
    let folder = models.join(gguf.fingerprint()?);
    if !folder.is_dir() {
        eprintln!("unpacking {} to {}", file.display(), folder.display());
        std::fs::create_dir_all(&models)
            .with_context(|| format!("cannot create {}", models.display()))?;
        // In a folder of its own, which is removed if Ctrl-C ends the program.
        let unfinished = UnfinishedFolder::create_in(&models)?;
        let whole = unfinished.path().join("model");
        gguf.unpack(&whole)?;
        match std::fs::rename(&whole, &folder) {
            Ok(()) => {}
            // Another process was faster; what it wrote is of the same file.
            Err(_) if folder.is_dir() => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot write {}", folder.display()));
            }
        }
    }
    Ok(folder)
}

/// The folder, in the shared cache, of a model on the hub.
fn fetched(reference: &Reference) -> Result<PathBuf> {
    let hub = Hub::from_env()?;
    let snapshot = with_transfer(|progress| hub.snapshot(reference, progress))?;
    if let Some(reason) = &snapshot.unconfirmed {
        eprintln!(
            "{reference}: {reason}; using what was fetched last, commit {}",
            snapshot.commit
        );
    }
    match reference.file() {
        Some(file) => unpacked(&snapshot.folder.join(file)),
        None => Ok(snapshot.folder),
    }
}

/// Fetches something with a progress line. Ctrl-C ends it, and the next call goes on from there.
///
/// # Errors
///
/// Those of `fetch`.
pub fn with_transfer<T>(
    fetch: impl FnOnce(&mut dyn hub::Progress) -> Result<T, HubError>,
) -> Result<T> {
    let _stops_later = interrupt::stops_later()?;
    let mut shown = Shown::default();
    let fetched = fetch(&mut shown);
    if let Some(progress) = shown.progress {
        progress.finish();
    }
    fetched.map_err(|error| match error {
        HubError::Stopped => anyhow::Error::new(ContinualError::Interrupted)
            .context("the fetch was stopped; the same command goes on from there"),
        error => error.into(),
    })
}

/// Draws a fetch, in KiB.
#[derive(Default)]
struct Shown {
    progress: Option<Progress>,
    /// KiB that were shown so far.
    shown: u64,
}

impl hub::Progress for Shown {
    fn transferred(&mut self, transfer: &Transfer<'_>) -> ControlFlow<()> {
        let progress = self
            .progress
            .get_or_insert_with(|| Progress::new(transfer.total >> 10));
        // The files of a divided model are known once its index is there.
        progress.set_total(transfer.total >> 10);
        let done = transfer.bytes >> 10;
        let new = done.saturating_sub(self.shown);
        self.shown = done;
        match transfer.received {
            // Of an earlier fetch: no part of this one's speed.
            0 => progress.skip(new),
            _ => {
                let all = transfer.total >> 20;
                progress.advance(
                    new,
                    &format!("{} · {} of {all} MiB", transfer.file, done >> 10),
                );
            }
        }
        stopping()
    }

    fn waiting(&mut self, _: &str) -> ControlFlow<()> {
        stopping()
    }
}

fn stopping() -> ControlFlow<()> {
    match interrupt::requested() {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    }
}
