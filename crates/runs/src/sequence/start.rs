//! The folder of a new or resumed run.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context, Result, bail, ensure};
use toml::{Table, Value};

use report::hash::shortened;
use report::record::{Contents, Manifest, MetricsLog, RunFolder, RunResult};

use super::jobs::PlannedJob;
use super::{MODELS, SequenceRequest};
use crate::base::BaseModel;
use crate::data::PreparedTasks;
use crate::job::CHECKPOINTS;
use crate::registries::Registries;
use crate::settings::{Overrides, RunConfig, differences, read_toml};

/// The file with the run's settings, in its folder.
const CONFIG: &str = "config.toml";
/// The file with the run's origin, in its folder.
const MANIFEST: &str = "run.json";

/// A run's folder, with everything that is known before the first step.
pub struct StartedRun {
    /// The folder.
    pub folder: RunFolder,
    /// The origin of the run's numbers.
    pub manifest: Manifest,
    /// The log of all its jobs.
    pub log: Mutex<MetricsLog>,
    /// The command that resumes it.
    continue_with: String,
}

/// Reads the settings of a run to resume.
///
/// # Errors
///
/// If the folder does not belong to a run of this benchmark, or if the overrides differ from its
/// settings.
pub fn resumed(
    registries: &Registries,
    benchmark: &str,
    folder: &Path,
    overrides: &Overrides<'_>,
) -> Result<RunConfig> {
    let path = folder.join(CONFIG);
    ensure!(
        path.is_file(),
        "{} is not the folder of a run: it has no {CONFIG}",
        folder.display()
    );
    let saved: Table = read_toml(&path)?;
    let manifest = Manifest::read(folder)?;
    ensure!(
        !manifest.contents.is_empty(),
        "{} was started by an earlier version of this program, which did not record what a run reads: it \
         cannot be continued; start a new run",
        folder.display()
    );
    ensure!(
        !manifest.tuning,
        "{} is a search for learning rates of an earlier version of this program: it cannot be continued; \
         start a new one",
        folder.display()
    );
    let typed = RunConfig::resolve_over(registries, saved.clone(), overrides)
        .with_context(|| format!("settings of the run in {}", folder.display()))?;
    ensure!(
        typed.benchmark == benchmark,
        "{} is a run of `experiments {}`: resume it with that command",
        folder.display(),
        typed.benchmark
    );
    let before = RunConfig::resolve_over(registries, saved, &Overrides::default())?;
    let different = differences(&comparable(&before)?, &comparable(&typed)?);
    if !different.is_empty() {
        bail!(
            "{} was started with other settings, so that it cannot be continued: {}; resume it without \
             these, or start a new run",
            folder.display(),
            different.join("; ")
        );
    }
    Ok(typed)
}

/// The settings that must not change while a run is continued: where splits are found, how often the run is saved and where the
/// model is change no number (its content is compared apart), and methods that are not compared may come and go.
fn comparable(config: &RunConfig) -> Result<Table> {
    let mut settings = Table::try_from(config)?;
    for key in ["split_cache", "checkpoints", "model"] {
        settings.remove(key);
    }
    if let Some(Value::Table(methods)) = settings.get_mut("methods") {
        methods.retain(|method, _| config.compare.iter().any(|own| own == method));
    }
    Ok(settings)
}

impl StartedRun {
    /// Creates the folder of a run, or opens the folder of a run to resume.
    ///
    /// # Errors
    ///
    /// If it cannot be written, or is not such a folder.
    pub fn open(
        config: &RunConfig,
        base: &BaseModel,
        orders: &[PreparedTasks],
        contents: &[Contents],
        planned: &[PlannedJob<'_>],
        (request, at_once): (&SequenceRequest<'_>, usize),
    ) -> Result<Self> {
        let mut keys: Vec<String> = planned.iter().map(|run| run.identity.key.clone()).collect();
        keys.sort();
        keys.dedup();
        // The content of every order, by the order's name.
        let contents: BTreeMap<String, Contents> = orders
            .iter()
            .zip(contents)
            .map(|(prepared, contents)| (prepared.order.clone(), contents.clone()))
            .collect();
        let mut title = orders[0].title(config);
        if orders.len() > 1 {
            title = format!("{title}, orders {}", config.order);
        }
        println!("{title}\n");
        if at_once > 1 {
            let runs = planned.len();
            println!("{runs} runs, {at_once} at the same time (--jobs 1: one after the other)");
        }
        for line in &base.warnings {
            println!("model: {line}");
        }
        // Orders of the same tasks repeat the same remarks.
        let mut remarks: Vec<String> = Vec::new();
        for line in orders.iter().flat_map(|order| &order.remarks) {
            if !remarks.contains(line) {
                println!("data: {line}");
                remarks.push(line.clone());
            }
        }
        let (folder, mut manifest, log) = match request.resume {
            Some(path) => {
                let (folder, mut manifest, log) = Self::reopen(path, &contents, &keys)?;
                // A run that has ended is only reported again.
                let results = planned
                    .iter()
                    .map(|run| RunResult::read(&folder, &run.stem));
                let results = results.collect::<Result<Vec<_>>>()?;
                if results.iter().any(Option::is_none)
                    && let Some(warning) = manifest.resumed_by_this_program()
                {
                    eprintln!("warning: {warning}");
                }
                (folder, manifest, log)
            }
            None => {
                let folder = RunFolder::create(request.out, &config.benchmark)?;
                let computed_by = config.backend.describe(&config.backend.device()?);
                let mut manifest = Manifest::new(title, &computed_by);
                manifest.suite.clone_from(&orders[0].suite);
                manifest.data = remarks;
                manifest.model.clone_from(&base.warnings);
                manifest.contents = contents;
                manifest.keys = keys;
                manifest.runs = planned.len();
                // Before anything else: a folder without settings cannot be resumed.
                folder.write(CONFIG, toml::to_string(config)?.as_bytes())?;
                let log = MetricsLog::create(&folder)?;
                (folder, manifest, log)
            }
        };
        manifest.at_once = manifest.at_once.max(at_once);
        let json = serde_json::to_string_pretty(&manifest)?;
        folder.write(MANIFEST, json.as_bytes())?;
        let continue_with = match request.continue_with {
            Some(command) => command.to_string(),
            None => format!(
                "experiments {} --resume {}",
                config.benchmark,
                folder.path().display()
            ),
        };
        Ok(Self {
            log: Mutex::new(log),
            continue_with,
            folder,
            manifest,
        })
    }

    /// A run's folder, if what it reads is what it read before.
    fn reopen(
        path: &Path,
        contents: &BTreeMap<String, Contents>,
        keys: &[String],
    ) -> Result<(RunFolder, Manifest, MetricsLog)> {
        let manifest = Manifest::read(path)?;
        for (order, recorded) in &manifest.contents {
            let current = contents.get(order).cloned().unwrap_or_default();
            let parts = recorded.parts().into_iter().zip(current.parts());
            let changed: Vec<String> = parts
                .filter(|((_, recorded), (_, current))| recorded != current)
                .map(|((name, recorded), (_, current))| {
                    format!(
                        "{name} (was {}, is {})",
                        shortened(recorded),
                        shortened(current)
                    )
                })
                .collect();
            ensure!(
                changed.is_empty(),
                "{} cannot be continued, because what it reads has changed since it was started: {}; \
                 restore that, or start a new run",
                path.display(),
                changed.join(", ")
            );
        }
        ensure!(
            manifest.keys == keys,
            "{} cannot be continued, because its {CONFIG} has changed since it was started; restore that, \
             or start a new run",
            path.display()
        );
        // Before any change: another process may use this folder.
        let log = MetricsLog::create(&RunFolder::reopen(path)?)?;
        let models = path.join(MODELS);
        if models.is_dir() {
            // A model that was being exported.
            RunFolder::take_up(&models)?;
        }
        Ok((RunFolder::take_up(path)?, manifest, log))
    }

    /// For an error message: what is saved, and how to resume.
    pub fn what_is_saved(&self) -> String {
        let path = self.folder.path().display();
        let saved = self.folder.path().join(CHECKPOINTS);
        let has_checkpoints =
            std::fs::read_dir(&saved).is_ok_and(|mut entries| entries.next().is_some());
        match has_checkpoints {
            true => format!(
                "the run ended early; what was saved last is in {}, continue with: {}",
                saved.display(),
                self.continue_with
            ),
            false => format!("the run in {path} ended early"),
        }
    }
}
