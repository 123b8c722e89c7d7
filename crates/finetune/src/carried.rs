//! The folder `osft` of a trained model: what the next task needs so that the earlier ones stay protected.
//!
//! | file | what it holds |
//! |---|---|
//! | `state.json` | format version, method, and every task learned so far ([`State`]) |
//! | `method/` | the method's own state: for OSFT the moments of the layers' inputs |
//! | `held-out/N.jsonl` | the rows that task `N` (from 1) was not learned from |
//! | `config.toml`, `run.json`, `metrics.jsonl`, `layers.csv` | settings, origin and log of the last task |

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use report::hash::sha256;
use runs::Registries;
use runs::base::Carried;
use runs::settings::{RunConfig, read_toml, translated};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::measure::SetChange;

/// Version of the folder's format; another one is refused.
pub const FORMAT_VERSION: u32 = 1;
/// Name of the folder.
pub const FOLDER: &str = "osft";
const STATE: &str = "state.json";
const CONFIG: &str = "config.toml";
const METHOD: &str = "method";
const HELD_OUT: &str = "held-out";

/// `state.json`: the tasks that a model has learned.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The method that learned the tasks.
    pub method: String,
    /// Hash of the weights that the folder was written with.
    pub weights: String,
    /// SHA-256 of every file of the method's state, by name.
    pub method_files: BTreeMap<String, String>,
    /// The tasks in the order in which they were learned.
    pub tasks: Vec<LearnedTask>,
}

/// A task that a model has learned.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LearnedTask {
    /// Its name.
    pub name: String,
    /// The method with the settings that distinguish it.
    pub label: String,
    /// Number of rows that it was learned from.
    pub rows: usize,
    /// Hash of these rows as tokens.
    pub rows_sha256: String,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Epochs.
    pub epochs: usize,
    /// Seed of the order of the rows.
    pub seed: u64,
    /// The measurements on its held-out rows, right before and after it was learned.
    pub learned: Option<SetChange>,
}

impl State {
    /// Reads the state of a model folder; `None` if it has none.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or has another format version.
    pub fn read(model: &Path) -> Result<Option<Self>> {
        let folder = model.join(FOLDER);
        let path = folder.join(STATE);
        if !path.is_file() {
            ensure!(
                !folder.is_dir(),
                "{} has no {STATE}: it was damaged; restore it, or remove the folder to start a new sequence that \
                 protects no earlier task",
                folder.display()
            );
            return Ok(None);
        }
        let bytes =
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let value: serde_json::Value = serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is not JSON", path.display()))?;
        let version = value
            .get("format_version")
            .and_then(serde_json::Value::as_u64);
        ensure!(
            version == Some(u64::from(FORMAT_VERSION)),
            "{} has format version {}, this program reads {FORMAT_VERSION}",
            path.display(),
            version.map_or("none".to_string(), |version| version.to_string())
        );
        let state = serde_json::from_value(value);
        Ok(Some(
            state.with_context(|| format!("in {}", path.display()))?,
        ))
    }

    /// What a run takes over from a model folder with this state.
    ///
    /// # Errors
    ///
    /// If another method learned the tasks.
    pub fn carried(&self, model: &Path, method: &str) -> Result<Carried> {
        if self.method != method {
            bail!(
                "{} was trained by {}, which {method} cannot go on from: what protects its {} would be lost. Use \
                 --method {}, or remove the folder {FOLDER} in it to start a new sequence",
                model.display(),
                self.method,
                match self.tasks.len() {
                    1 => "task".to_string(),
                    tasks => format!("{tasks} tasks"),
                },
                self.method
            );
        }
        let folder = method_folder(model);
        for (name, expected) in &self.method_files {
            let path = folder.join(name);
            let found = std::fs::read(&path).map(|bytes| sha256(&bytes));
            let what = match &found {
                Err(_) => "cannot be read",
                Ok(found) if found != expected => "is not as it was written",
                Ok(_) => continue,
            };
            bail!(
                "{} {what}: it protects the tasks that the model learned before. Restore it, or remove the folder \
                 {FOLDER} of the model to start a new sequence that protects none of them",
                path.display()
            );
        }
        Ok(Carried {
            parts: method_folder(model),
            tasks: self.tasks.len(),
        })
    }

    /// A name for the next task that no earlier one has.
    pub fn free_name(&self, wanted: &str) -> String {
        let taken = |name: &str| self.tasks.iter().any(|task| task.name == name);
        if !taken(wanted) {
            return wanted.to_string();
        }
        let numbered = (2..).map(|number| format!("{wanted}-{number}"));
        let free = numbered.into_iter().find(|name| !taken(name));
        free.unwrap_or_else(|| wanted.to_string())
    }

    /// Records the files of the method's state in a model folder, which take the place of those of earlier tasks.
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    pub fn record_method(&mut self, model: &Path) -> Result<()> {
        let folder = method_folder(model);
        let cannot = || format!("cannot read {}", folder.display());
        self.method_files.clear();
        for entry in std::fs::read_dir(&folder).with_context(cannot)? {
            let entry = entry.with_context(cannot)?;
            let bytes = std::fs::read(entry.path()).with_context(cannot)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            self.method_files.insert(name, sha256(&bytes));
        }
        Ok(())
    }

    /// Writes the state into a model folder, whose folder `osft` exists.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn write(&self, model: &Path) -> Result<()> {
        let path = model.join(FOLDER).join(STATE);
        let mut json = serde_json::to_string_pretty(self)?;
        json.push('\n');
        // One that was copied with its permissions may be read-only.
        if path.exists() {
            std::fs::remove_file(&path)
                .with_context(|| format!("cannot replace {}", path.display()))?;
        }
        std::fs::write(&path, json).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Whether a model folder has learned tasks by `osft finetune`.
pub fn has_learned(model: &Path) -> bool {
    model.join(FOLDER).join(STATE).is_file()
}

/// What the tasks that a model folder has learned have in common with all later ones, as settings of `method`: its targets, how
/// inputs are summed, how their sources are combined, and whether the base model is protected. Empty if it has learned none.
///
/// # Errors
///
/// If the settings of its last task cannot be read.
pub fn common_settings(registries: &Registries, model: &Path, method: &str) -> Result<Table> {
    let own = only_common(settings_of_last(registries, model, method)?);
    if own.is_empty() {
        return Ok(own);
    }
    let nested = |name: &str, table| Table::from_iter([(name.to_string(), Value::Table(table))]);
    Ok(nested("methods", nested(method, own)))
}

/// Checks that a method protects the base model from now on only if it did from the first task on: what it needs for that is
/// measured before a model learns anything.
///
/// # Errors
///
/// If it did not, or if the settings of the model's last task cannot be read.
pub fn check_protection(config: &RunConfig, model: &Path, method: &str) -> Result<()> {
    let protects = |settings: &Table| settings.get("protect_base").and_then(Value::as_bool);
    let earlier = settings_of_last(&config.registries, model, method)?;
    let (before, now) = (protects(&earlier), protects(config.method(method)));
    ensure!(
        !has_learned(model) || before.unwrap_or(false) == now.unwrap_or(false),
        "methods.{method}.protect_base is decided before the first task, and {} learned its tasks {} it: leave the setting \
         out, or start again from the base model",
        model.display(),
        if before == Some(true) {
            "with"
        } else {
            "without"
        },
    );
    Ok(())
}

/// The settings of a method in the last task that a model folder has learned; empty if it has learned none.
fn settings_of_last(registries: &Registries, model: &Path, method: &str) -> Result<Table> {
    let folder = model.join(FOLDER);
    if !has_learned(model) {
        return Ok(Table::new());
    }
    let config = read_toml(&folder.join(CONFIG)).with_context(|| {
        format!(
            "{} says how the model learned its earlier tasks",
            folder.display()
        )
    })?;
    let mut config = translated(registries, config);
    let own = match config.get_mut("methods") {
        Some(Value::Table(methods)) => methods.remove(method),
        _ => None,
    };
    Ok(match own {
        Some(Value::Table(own)) => own,
        _ => Table::new(),
    })
}

/// What has to stay among a method's settings, and among those of the methods that it joins; of the moments, without what changes
/// how they are read and not how they are summed.
fn only_common(settings: Table) -> Table {
    let common = settings.into_iter().filter_map(|(key, value)| match value {
        value if ["targets", "combine", "protect_base"].contains(&key.as_str()) => {
            Some((key, value))
        }
        Value::Table(mut moment) if key == "moment" => {
            moment.remove("shrinkage");
            Some((key, Value::Table(moment)))
        }
        Value::Table(joined) => Some((key, Value::Table(only_common(joined)))),
        _ => None,
    });
    common
        .filter(|(_, value)| value.as_table().is_none_or(|table| !table.is_empty()))
        .collect()
}

/// The folder of the method's state in a model folder.
pub fn method_folder(model: &Path) -> PathBuf {
    model.join(FOLDER).join(METHOD)
}

/// The file with the held-out rows of a task, counted from 0.
pub fn held_out_file(model: &Path, task: usize) -> PathBuf {
    let file = format!("{}.jsonl", task + 1);
    model.join(FOLDER).join(HELD_OUT).join(file)
}
