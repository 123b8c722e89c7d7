//! Puts an adapter into the weights of its model.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use lm::{Adapter, HfFolder, Model};
use runs::Backend;

use crate::carried::{FOLDER, State};
use crate::export;
use crate::run::refuse_existing;

/// What is merged into what.
#[derive(Clone, Copy, Debug)]
pub struct MergeRequest<'a> {
    /// Folder of the adapter, in PEFT's layout.
    pub adapter: &'a Path,
    /// Folder of the model that it changes; the one that the adapter names if `None`.
    pub model: Option<&'a Path>,
    /// Folder of the merged model; must not exist.
    pub out: &'a Path,
    /// Precision of the written weights, as in `osft finetune --dtype`.
    pub dtype: &'a str,
}

/// Writes a model with the adapter's change in its weights. What the adapter's folder holds for the next
/// task (`osft/`) goes along.
///
/// # Errors
///
/// If the adapter or the model cannot be read, they do not fit each other, or the output exists.
pub fn merge(request: &MergeRequest<'_>) -> Result<()> {
    refuse_existing(request.out)?;
    let precision = export::precision(request.dtype)?;
    let base = HfFolder::open(base_of(request)?)?;
    let device = Backend::Flex.device()?;
    let model = base.load::<Model>(&device)?.model;
    let adapter = Adapter::read(request.adapter, &base, &model)?;
    let layers = adapter.layers.len();
    let merged = adapter.merged(model);

    let name = request.out.file_name().unwrap_or_default();
    let unfinished = request
        .out
        .with_file_name(format!(".merging-{}", name.to_string_lossy()));
    if unfinished.is_dir() {
        std::fs::remove_dir_all(&unfinished)
            .with_context(|| format!("cannot replace {}", unfinished.display()))?;
    }
    let written = write(request, &base, &merged, precision, &unfinished);
    if written.is_err() {
        // Nothing is left of a merge that failed.
        let _ = std::fs::remove_dir_all(&unfinished);
    }
    written?;
    println!(
        "model: {} ({} with the change of {layers} layers)",
        request.out.display(),
        base.path().display()
    );
    Ok(())
}

fn write(
    request: &MergeRequest<'_>,
    base: &HfFolder,
    merged: &Model,
    precision: lm::ExportPrecision,
    unfinished: &Path,
) -> Result<()> {
    base.export(merged, unfinished, precision)?;
    let state = State::read(request.adapter)?;
    if let Some(mut state) = state {
        copy_folder(&request.adapter.join(FOLDER), &unfinished.join(FOLDER))?;
        let tokenizer = base.tokenizer()?;
        let folder = HfFolder::open(unfinished)?;
        state.weights = folder.fingerprint(tokenizer.stop_tokens())?.weights;
        state.write(unfinished)?;
    }
    std::fs::rename(unfinished, request.out)
        .with_context(|| format!("cannot write {}", request.out.display()))
}

/// The folder of the model that an adapter changes.
fn base_of(request: &MergeRequest<'_>) -> Result<PathBuf> {
    if let Some(model) = request.model {
        return Ok(model.to_path_buf());
    }
    let adapter = request.adapter.display();
    let Some(named) = Adapter::base_model_of(request.adapter)? else {
        bail!("{adapter} does not name the model that it changes: give its folder with --model");
    };
    let folder = PathBuf::from(&named);
    ensure!(
        folder.is_dir(),
        "{adapter} changes the model {named:?}, which is not a folder here: give its folder with --model"
    );
    Ok(folder)
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    let cannot = || format!("cannot copy {} to {}", from.display(), to.display());
    std::fs::create_dir_all(to).with_context(cannot)?;
    for entry in std::fs::read_dir(from).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        let target = to.join(entry.file_name());
        match entry.file_type().with_context(cannot)?.is_dir() {
            true => copy_folder(&entry.path(), &target)?,
            false => {
                std::fs::copy(entry.path(), &target).with_context(cannot)?;
            }
        }
    }
    Ok(())
}
