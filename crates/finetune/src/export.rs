//! The folder of a trained model: weights, tokenizer, card, and what the next task needs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use lm::{ExportPrecision, HfFolder};
use report::record::{RunFolder, flush, flush_entry};
use runs::base::BaseModel;
use runs::job::Outcome;

use crate::card::Card;
use crate::carried::{FOLDER, State, held_out_file, method_folder};

/// The complete model in the run's folder, before it is moved to its place.
const EXPORT: &str = "export";
/// The same while it is written.
const UNFINISHED: &str = ".writing-export";
/// Files of a run that go with the model, if they are there.
const OF_RUN: [&str; 4] = ["config.toml", "run.json", "metrics.jsonl", GENERAL];
/// The scores of general ability before and after, row by row.
pub const GENERAL: &str = "general.json";

/// What a model folder is made of.
pub struct Export<'a> {
    /// The model that the task started from.
    pub base: &'a BaseModel,
    /// Its name on the hub and its revision, if it is one of the hub.
    pub hub_name: Option<(&'a str, Option<&'a str>)>,
    /// The trained model and the method.
    pub outcome: &'a Outcome,
    /// The tasks learned so far.
    pub state: State,
    /// The held-out rows of every task, as lines of JSON.
    pub held_out: &'a [&'a [String]],
    /// What is exported.
    pub format: ExportFormat,
    /// The card.
    pub card: &'a Card,
    /// The run's folder.
    pub running: &'a Path,
}

/// The precision of a name: of the model's own tensors if empty.
///
/// # Errors
///
/// If there is no such precision.
pub fn precision(name: &str) -> Result<ExportPrecision> {
    Ok(match name {
        "" | "auto" => ExportPrecision::Stored,
        "f32" | "float32" => ExportPrecision::F32,
        "bf16" | "bfloat16" => ExportPrecision::Bf16,
        "f16" | "float16" => ExportPrecision::F16,
        other => bail!("dtype = {other:?}: expected auto, f32, bf16 or f16"),
    })
}

/// Writes weights, tokenizer and configuration into the run's folder, in place of unfinished ones, and returns where.
///
/// # Errors
///
/// If they cannot be written.
pub fn weights(
    base: &BaseModel,
    outcome: &Outcome,
    precision: ExportPrecision,
    running: &Path,
) -> Result<PathBuf> {
    let unfinished = running.join(UNFINISHED);
    let complete = running.join(EXPORT);
    for folder in [&unfinished, &complete] {
        if folder.is_dir() {
            std::fs::remove_dir_all(folder)
                .with_context(|| format!("cannot replace {}", folder.display()))?;
        }
    }
    base.folder.export(&outcome.model, &unfinished, precision)?;
    Ok(unfinished)
}

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// A model.
    Model,
    /// The change alone, as an adapter in PEFT's layout.
    Adapter,
}

impl ExportFormat {
    /// The format of a name; a model if empty.
    ///
    /// # Errors
    ///
    /// If there is no such format.
    pub fn named(name: &str) -> Result<Self> {
        Ok(match name {
            "" | "model" => Self::Model,
            "adapter" => Self::Adapter,
            other => bail!("format = {other:?}: expected model or adapter"),
        })
    }
}

/// Checks that every target of an adapter is a linear layer: PEFT's files name no others.
///
/// # Errors
///
/// For the first target that is none.
pub fn check_targets(settings: &toml::Table, base: &BaseModel) -> Result<()> {
    let Some(targets) = settings.get("targets") else {
        return Ok(());
    };
    let targets: osft::Targets = targets.clone().try_into()?;
    let layers = lm::linear_layer_paths(&base.folder, &base.model);
    for target in targets.selected(&base.model)? {
        anyhow::ensure!(
            layers.contains(&target.path),
            "--format adapter: the targets select {}, which is no linear layer; PEFT's files have no place for it",
            target.path
        );
    }
    Ok(())
}

/// Replaces the weights of a folder by the adapter that was learned.
fn replace_by_adapter(parts: &Export<'_>, folder: &Path) -> Result<()> {
    let Export {
        base,
        hub_name,
        outcome,
        ..
    } = parts;
    let adapter = outcome.adapter();
    let adapter = adapter.context("this method learns no adapter that is still apart")?;
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read {}", folder.display()))?;
        let path = entry.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // What a model needs beside its tokenizer and its chat template.
        let of_model = ["config.json", "generation_config.json"].contains(&&*name)
            || (name.starts_with("model") && name.contains(".safetensors"));
        if of_model {
            std::fs::remove_file(&path)
                .with_context(|| format!("cannot replace {}", path.display()))?;
        }
    }
    Ok(adapter.write(folder, &base.folder, *hub_name, &outcome.model)?)
}

/// Completes the model folder in the run's folder, after its [`weights`] are written.
///
/// # Errors
///
/// If it cannot be written; the run's folder then has no complete model.
pub fn export(parts: &Export<'_>) -> Result<()> {
    let unfinished = parts.running.join(UNFINISHED);
    let complete = parts.running.join(EXPORT);
    let Export { base, outcome, .. } = parts;
    let create = |folder: PathBuf| {
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        anyhow::Ok(folder)
    };
    outcome.write_carried(&create(method_folder(&unfinished))?)?;
    for (task, lines) in parts.held_out.iter().enumerate() {
        if lines.is_empty() {
            continue;
        }
        let file = held_out_file(&unfinished, task);
        create(file.parent().unwrap_or(&unfinished).to_path_buf())?;
        write(&file, &(lines.join("\n") + "\n"))?;
    }
    write(
        &unfinished.join(FOLDER).join("layers.csv"),
        &outcome.layers_csv,
    )?;
    let library = match parts.format {
        ExportFormat::Model => "transformers",
        ExportFormat::Adapter => "peft",
    };
    write(&unfinished.join("README.md"), &parts.card.markdown(library))?;
    write(
        &unfinished.join(FOLDER).join("report.html"),
        &parts.card.html()?,
    )?;
    let exported = HfFolder::open(&unfinished)?;
    let mut state = parts.state.clone();
    let stop_tokens = base.tokenizer.stop_tokens();
    state.weights = exported.fingerprint(stop_tokens)?.weights;
    state.record_method(&unfinished)?;
    state.write(&unfinished)?;
    if parts.format == ExportFormat::Adapter {
        replace_by_adapter(parts, &unfinished)?;
    }
    // The run's checkpoints are removed once this is there.
    flush(&unfinished)?;
    std::fs::rename(&unfinished, &complete)
        .with_context(|| format!("cannot write {}", complete.display()))?;
    flush_entry(parts.running)
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Adds the files of the run to its model, moves the model to its place, and removes the run's folder.
///
/// # Errors
///
/// If a file cannot be copied or moved: the model then stays in the run's folder. Or if that folder cannot be removed:
/// the model is in its place.
pub fn complete(folder: &RunFolder, out: &Path) -> Result<()> {
    let model = folder.path().join(EXPORT);
    anyhow::ensure!(
        model.is_dir(),
        "{} has a result, but no model: remove it and run again",
        folder.path().display()
    );
    for file in OF_RUN {
        let source = folder.path().join(file);
        let target = model.join(FOLDER).join(file);
        if source.is_file() {
            std::fs::copy(&source, &target)
                .with_context(|| format!("cannot copy {}", source.display()))?;
        }
    }
    flush(&model.join(FOLDER))?;
    std::fs::rename(&model, out)
        .with_context(|| format!("cannot move {} to {}", model.display(), out.display()))?;
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty());
    flush_entry(parent.unwrap_or(Path::new(".")))?;
    std::fs::remove_dir_all(folder.path())
        .with_context(|| format!("cannot remove {}", folder.path().display()))
}
