//! A run's folder, new or of a run that is continued.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, bail, ensure};
use toml::Table;

use super::Base;
use super::jobs::Planned;
use super::prepare::Prepared;
use crate::cli::SequenceArgs;
use crate::config::{BenchmarkName, RunConfig, differences, read_toml};
use crate::hash::shortened;
use crate::run::{CHECKPOINTS, Contents, Manifest, MetricsLog, RunFolder};

/// The settings as they were used, in the run's folder.
const CONFIG: &str = "config.toml";
/// Where the run comes from, in the run's folder.
const MANIFEST: &str = "run.json";

/// The folder of a run with everything that is known before the first step.
pub struct Started {
    /// The folder.
    pub folder: RunFolder,
    /// Where the numbers come from.
    pub manifest: Manifest,
    /// The log of all runs in it.
    pub log: MetricsLog,
    /// Whether learning rates are being tuned in it.
    pub tuning: bool,
    /// The command that continues it.
    command: &'static str,
}

/// Whether learning rates are tuned: as typed, or in the run that is continued.
///
/// # Errors
///
/// If the run does not say.
pub fn is_tuning(args: &SequenceArgs) -> Result<bool> {
    match &args.resume {
        None => Ok(args.tune),
        Some(folder) => Ok(Manifest::read(folder)?.tuning),
    }
}

/// The settings: as typed, or those of the run that is continued.
///
/// # Errors
///
/// If settings were typed that are not those of the run.
pub fn config(benchmark: BenchmarkName, args: &SequenceArgs) -> Result<RunConfig> {
    let Some(folder) = &args.resume else {
        return args.run.resolve(benchmark);
    };
    let path = folder.join(CONFIG);
    ensure!(
        path.is_file(),
        "{} is not the folder of a run: it has no {CONFIG}",
        folder.display()
    );
    let saved: Table = read_toml(&path)?;
    ensure!(
        !Manifest::read(folder)?.contents.is_empty(),
        "{} was started by an earlier version of this program, which did not record what a run reads: it \
         cannot be continued; start a new run",
        folder.display()
    );
    let typed = args.run.resolve_over(saved.clone())?;
    ensure!(
        typed.benchmark == benchmark,
        "{} is a run of `experiments {}`: resume it with that command",
        folder.display(),
        typed.benchmark.name()
    );
    // Where splits are found changes no number.
    let without_cache = |mut settings: Table| {
        settings.remove("split_cache");
        settings
    };
    let found = without_cache(Table::try_from(&typed)?);
    let different = differences(&without_cache(saved), &found);
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

impl Started {
    /// Creates the folder of a run, or opens the one that is continued.
    ///
    /// # Errors
    ///
    /// If it cannot be written, or is not such a folder.
    pub fn open(
        tuning: bool,
        config: &RunConfig,
        base: &Base,
        orders: &[Prepared],
        contents: &[Contents],
        planned: &[Planned<'_>],
        args: &SequenceArgs,
    ) -> Result<Self> {
        let mut keys: Vec<String> = planned.iter().map(|run| run.identity.key.clone()).collect();
        keys.sort();
        keys.dedup();
        // The orders by name, with what is read in each.
        let read: BTreeMap<String, Contents> = orders
            .iter()
            .zip(contents)
            .map(|(prepared, contents)| (prepared.order.clone(), contents.clone()))
            .collect();
        let mut title = orders[0].title(config);
        if orders.len() > 1 {
            title = format!("{title}, orders {}", config.order);
        }
        if tuning {
            title = format!("Tuning on validation rows: {title}");
        }
        println!("{title}\n");
        for line in &base.warnings {
            println!("model: {line}");
        }
        // Orders of the same tasks say the same.
        let mut remarks: Vec<String> = Vec::new();
        for line in orders.iter().flat_map(|order| &order.remarks) {
            if !remarks.contains(line) {
                println!("data: {line}");
                remarks.push(line.clone());
            }
        }
        let (folder, manifest, log) = match &args.resume {
            Some(path) => Self::taken_up(path, &read, &keys)?,
            None => {
                let name = match tuning {
                    true => "tune",
                    false => config.benchmark.name(),
                };
                let folder = RunFolder::create(args.out.as_deref(), name)?;
                let mut manifest = Manifest::new(title, config.backend.name());
                manifest.suite.clone_from(&orders[0].suite);
                manifest.data = remarks;
                manifest.model.clone_from(&base.warnings);
                manifest.contents = read;
                manifest.keys = keys;
                manifest.runs = planned.len();
                let log = MetricsLog::create(&folder)?;
                manifest.tuning = tuning;
                folder.write(CONFIG, toml::to_string(config)?.as_bytes())?;
                (folder, manifest, log)
            }
        };
        let json = serde_json::to_string_pretty(&manifest)?;
        folder.write(MANIFEST, json.as_bytes())?;
        Ok(Self {
            log,
            folder,
            manifest,
            tuning,
            command: config.benchmark.name(),
        })
    }

    /// A run's folder, if what it reads is what it read before.
    fn taken_up(
        path: &Path,
        read: &BTreeMap<String, Contents>,
        keys: &[String],
    ) -> Result<(RunFolder, Manifest, MetricsLog)> {
        let mut manifest = Manifest::read(path)?;
        for (order, before) in &manifest.contents {
            let now = read.get(order).cloned().unwrap_or_default();
            let parts = before.parts().into_iter().zip(now.parts());
            let changed: Vec<String> = parts
                .filter(|((_, before), (_, now))| before != now)
                .map(|((name, before), (_, now))| {
                    format!("{name} (was {}, is {})", shortened(before), shortened(now))
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
        // Before anything is changed: another process may be running here.
        let log = MetricsLog::create(&RunFolder::reopen(path)?)?;
        if let Some(warning) = manifest.resumed_by_this_program() {
            eprintln!("warning: {warning}");
        }
        Ok((RunFolder::take_up(path)?, manifest, log))
    }

    /// For an error: what is left of the run, and how to go on.
    pub fn what_is_saved(&self) -> String {
        let path = self.folder.path().display();
        let saved = self.folder.path().join(CHECKPOINTS);
        let found = std::fs::read_dir(&saved).is_ok_and(|mut entries| entries.next().is_some());
        match found {
            true => format!(
                "the run ended early; what was saved last is in {}, continue with: experiments {} \
                 --resume {path}",
                saved.display(),
                self.command
            ),
            false => format!("the run in {path} ended early"),
        }
    }
}
