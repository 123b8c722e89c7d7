//! Puts an adapter into the weights of its model.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use lm::{Adapter, HfFolder, Model};
use report::record::Manifest;
use runs::Backend;
use runs::interrupt::UnfinishedFolder;

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

/// Writes a model with the adapter's change in its weights. What the next task needs (`osft/`) goes along, from the
/// adapter's folder or else from the model's.
///
/// # Errors
///
/// If the adapter or the model cannot be read, they do not fit each other, the output exists, or a merged weight is
/// not finite.
pub fn merge(request: &MergeRequest<'_>) -> Result<()> {
    refuse_existing(request.out)?;
    let precision = export::precision(request.dtype)?;
    let base = HfFolder::open(runs::model_folder(&base_of(request)?)?)?;
    let tokenizer = base.tokenizer()?;
    let stop_tokens = tokenizer.stop_tokens();
    let state = State::read(request.adapter)?;
    if let Some(state) = &state {
        // Whether its files are as they were written.
        state.carried(request.adapter, &state.method)?;
        check_base(
            request.adapter,
            &base,
            &base.fingerprint(stop_tokens)?.weights,
        )?;
    }
    let device = Backend::Flex.device()?;
    let loaded = base.load::<Model>(&device)?;
    for line in &loaded.warnings {
        println!("model: {line}");
    }
    let adapter = Adapter::read(request.adapter, &base, &loaded.model)?;
    let layers = adapter.layers.len();
    let merged = adapter.merged(loaded.model);

    let parent = match request.out.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(parent)
        .with_context(|| format!("cannot create {}", parent.display()))?;
    // A name of its own, and removed with everything in it unless the merge succeeds.
    let unfinished = UnfinishedFolder::create_in(parent)?;
    let folder = unfinished.path().join("model");
    base.export(&merged, &folder, precision)?;
    let written = HfFolder::open(&folder)?;
    written
        .load::<Model>(&device)
        .context("the merged weights cannot be used; is the adapter of this model, and does --dtype hold its values?")?;
    match state {
        Some(mut state) => {
            copy_folder(&request.adapter.join(FOLDER), &folder.join(FOLDER))?;
            state.weights = written.fingerprint(stop_tokens)?.weights;
            state.write(&folder)?;
        }
        // What protects the tasks that the model has learned before must not be lost.
        None if base.path().join(FOLDER).is_dir() => {
            copy_folder(&base.path().join(FOLDER), &folder.join(FOLDER))?;
            println!(
                "what protects the tasks of {} goes along; it was measured without the adapter",
                base.path().display()
            );
        }
        None => {}
    }
    let card = request.adapter.join("README.md");
    if card.is_file() {
        let text = std::fs::read_to_string(&card)
            .with_context(|| format!("cannot read {}", card.display()))?;
        let text = text.replacen("library_name: peft", "library_name: transformers", 1);
        let card = folder.join("README.md");
        std::fs::write(&card, text).with_context(|| format!("cannot write {}", card.display()))?;
    }
    std::fs::rename(&folder, request.out)
        .with_context(|| format!("cannot write {}", request.out.display()))?;
    println!(
        "model: {} ({} with the change of {layers} {})",
        request.out.display(),
        base.path().display(),
        if layers == 1 { "layer" } else { "layers" }
    );
    Ok(())
}

/// Checks that a model has the weights that an adapter was learned on, as its run recorded them.
///
/// # Errors
///
/// If it has others.
fn check_base(adapter: &Path, base: &HfFolder, weights: &str) -> Result<()> {
    let run = adapter.join(FOLDER);
    if !run.join("run.json").is_file() {
        return Ok(());
    }
    let contents = Manifest::read(&run)?.contents;
    let mut learned_on = contents.values().map(|contents| &contents.model_weights);
    ensure!(
        learned_on.all(|learned_on| learned_on == weights),
        "{} was learned on a model with other weights than {}: give that model with --model",
        adapter.display(),
        base.path().display()
    );
    Ok(())
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
        "{adapter} changes the model {named:?}, which is not a folder here: give its folder, or its name on the hub, with --model"
    );
    Ok(folder)
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    let cannot = || format!("cannot copy {} to {}", from.display(), to.display());
    std::fs::create_dir_all(to).with_context(cannot)?;
    for entry in std::fs::read_dir(from).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy_folder(&entry.path(), &target)?,
            false => {
                std::fs::copy(entry.path(), &target).with_context(cannot)?;
            }
        }
    }
    Ok(())
}
