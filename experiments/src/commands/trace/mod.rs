//! `experiments trace`: learn the tasks of a suite in sequence, by several methods.

pub(crate) mod calibration;
pub(crate) mod execute;
mod prepare;
mod start;
mod tune;
pub(crate) mod work;

use std::cell::RefCell;
use std::path::Path;

use anyhow::{Context, Result};
use burn::tensor::Device;
use continual::CalibrationData;
use lm::{HfFolder, Llama, TextTokenizer};

use crate::cli::TraceArgs;
use crate::config::RunConfig;
use crate::report::{matrix_table, summarize, summary_table, write_report};
use crate::run::{CHECKPOINTS, Recorder, RunFolder, RunResult, stem};
use crate::{builtin, interrupt, progress::Progress};
use execute::{Job, Outcome, method_label};
pub(crate) use prepare::{Prepared, Split};
use start::Started;
use work::Work;

/// A model that every run of a comparison starts from.
pub(crate) struct Base {
    /// The model as read.
    pub model: Llama,
    /// Its tokenizer.
    pub tokenizer: TextTokenizer,
    /// What OSFT measures the inputs of the layers on.
    pub calibration: Option<CalibrationData>,
}

impl Base {
    /// Opens the model of a configuration.
    pub fn open(config: &RunConfig, device: &Device) -> Result<Self> {
        let path = match &config.model {
            Some(path) => path.clone(),
            None => builtin::model()?,
        };
        let folder = HfFolder::open(path)?;
        Ok(Self {
            tokenizer: folder.tokenizer()?,
            model: folder.load_llama(device)?,
            calibration: None,
        })
    }

    /// Gets the calibration data of a configuration, where it asks for some.
    pub fn calibrate(&mut self, config: &RunConfig) -> Result<()> {
        self.calibration = calibration::data(config, &self.model, &self.tokenizer)?;
        Ok(())
    }
}

/// Runs, goes on with a run, or tunes.
pub fn run(args: &TraceArgs) -> Result<()> {
    let config = start::config(args)?;
    let device = config.backend.device()?.autodiff();
    let mut base = Base::open(&config, &device)?;
    // What can be wrong with the data is found before anything is written.
    let split = match args.tune {
        true => Split::Validation,
        false => Split::Test,
    };
    let prepared = Prepared::load(&config, &base.tokenizer, split)?;
    base.calibrate(&config)?;
    if args.tune {
        return tune::run(&config, &base, prepared, args);
    }
    let mut started = Started::open("trace", &config, &prepared, args)?;
    let outcome = all_jobs(&config, &base, &prepared, &mut started);
    let results = outcome.with_context(|| started.what_is_saved())?;

    let summaries = summarize(&results)?;
    let mut notes = String::new();
    let first = config.seeds[0];
    for &method in &config.methods {
        let file = tables_file(&stem(&method_label(&config, method), first));
        if let Ok(tables) = std::fs::read_to_string(started.folder.path().join(file)) {
            notes.push_str(&tables);
        }
    }
    write_report(
        &started.folder,
        &started.manifest,
        &summaries,
        prepared.published.as_ref(),
        &notes,
    )?;
    for summary in &summaries {
        println!("{}\n{}\n", summary.method, matrix_table(summary));
    }
    println!("{}", summary_table(&summaries, false));
    let report = started.folder.path().join("report.md");
    println!("\nreport: {}", report.display());
    Ok(())
}

/// Every method with every seed, those that are finished already taken as they are.
fn all_jobs(
    config: &RunConfig,
    base: &Base,
    prepared: &Prepared,
    started: &mut Started,
) -> Result<Vec<RunResult>> {
    interrupt::install()?;
    let progress = Progress::new(work::total(config, prepared) as u64);
    let mut results: Vec<RunResult> = Vec::new();
    for &seed in &config.seeds {
        for &method in &config.methods {
            let label = method_label(config, method);
            let stem = stem(&label, seed);
            if let Some(result) = RunResult::read(&started.folder, &stem)? {
                progress.skip(Work::new(config, prepared, method).total() as u64);
                results.push(result);
                continue;
            }
            let job = Job {
                config,
                base,
                prepared,
                method,
                seed,
                progress: &progress,
            };
            let folder = &started.folder;
            let recorder = Recorder::new(&mut started.log, &label, seed)
                .with_checkpoints(folder, &stem, &config.checkpoints)?
                .with_events(folder, &stem, &prepared.tasks)?;
            let recorder = RefCell::new(recorder);
            let outcome = execute::sequence(&job, Some(&recorder))?;
            let mut recorder = recorder.into_inner();
            recorder.flush()?;
            write(&outcome, &started.folder, &stem, config.calibration.save)?;
            recorder.finish()?;
            results.push(outcome.result);
        }
    }
    progress.finish();
    remove_checkpoints(started.folder.path())?;
    Ok(results)
}

/// Writes what a run gave, its result last: where that is, the run is finished.
fn write(outcome: &Outcome, folder: &RunFolder, stem: &str, with_state: bool) -> Result<()> {
    let name = &outcome.result.method;
    let mut tables = String::new();
    if let Some(table) = &outcome.split_table {
        tables.push_str(&format!("## Split of {name} for the first task\n\n"));
        tables.push_str(&format!("```text\n{table}\n```\n\n"));
    }
    if let Some(table) = &outcome.change_table {
        tables.push_str(&format!("## What the last task of {name} moved\n\n"));
        tables.push_str(&format!("```text\n{table}```\n\n"));
    }
    if !tables.is_empty() {
        folder.write(&tables_file(stem), tables.as_bytes())?;
    }
    if with_state {
        outcome.write_state(folder, stem)?;
    }
    if !outcome.layers_csv.is_empty() {
        let file = format!("layers-{stem}.csv");
        folder.write(&file, outcome.layers_csv.as_bytes())?;
    }
    outcome.result.write(folder)
}

fn tables_file(stem: &str) -> String {
    format!("tables-{stem}.md")
}

fn remove_checkpoints(folder: &Path) -> Result<()> {
    let path = folder.join(CHECKPOINTS);
    match path.is_dir() {
        true => std::fs::remove_dir_all(&path)
            .with_context(|| format!("cannot remove {}", path.display())),
        false => Ok(()),
    }
}
