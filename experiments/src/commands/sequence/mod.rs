//! `experiments trace`: learn the tasks of a suite in sequence, by several methods.

pub(crate) mod calibration;
pub(crate) mod execute;
mod jobs;
mod prepare;
mod start;
mod tune;
pub(crate) mod work;

use anyhow::{Context, Result};
use burn::tensor::Device;
use continual::CalibrationData;
use lm::{HfFolder, Model, TextTokenizer};

use crate::builtin;
use crate::cli::TraceArgs;
use crate::config::RunConfig;
use crate::report::{matrix_table, summarize, summary_table, write_report};
use crate::run::{RunResult, stem};
use execute::method_label;
use jobs::{Planned, run_all};
pub(crate) use prepare::{Prepared, Split};
use start::Started;

/// A model that every run of a comparison starts from.
pub(crate) struct Base {
    /// The model as read.
    pub model: Model,
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
            model: folder.load(device)?,
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
    let tuning = start::is_tuning(args)?;
    let device = config.backend.device()?.autodiff();
    let mut base = Base::open(&config, &device)?;
    // What can be wrong with the data is found before anything is written.
    let split = match tuning {
        true => Split::Validation,
        false => Split::Test,
    };
    let prepared = Prepared::load(&config, &base.tokenizer, split)?;
    base.calibrate(&config)?;
    match tuning {
        true => tune::run(&config, &base, prepared, args),
        false => compare(&config, &base, &prepared, args),
    }
}

/// Every method with every seed, and a report on all of them.
fn compare(config: &RunConfig, base: &Base, prepared: &Prepared, args: &TraceArgs) -> Result<()> {
    let mut started = Started::open("trace", false, config, prepared, args)?;
    let mut planned = Vec::new();
    for &seed in &config.seeds {
        for &method in &config.methods {
            planned.push(Planned {
                config: config.clone(),
                method,
                seed,
                stem: stem(&method_label(config, method), seed),
            });
        }
    }
    let outcome = run_all(&planned, base, prepared, &mut started);
    let results = outcome.with_context(|| started.what_is_saved())?;
    let results: Vec<RunResult> = results.into_iter().flatten().collect();

    let summaries = summarize(&results)?;
    let mut notes = String::new();
    // The tables of the first seed stand for all.
    for planned in planned.iter().take(config.methods.len()) {
        let file = started.folder.path().join(tables_file(&planned.stem));
        if let Ok(tables) = std::fs::read_to_string(file) {
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

/// Where a run's tables stand, layer by layer, until they are part of the report.
fn tables_file(stem: &str) -> String {
    format!("tables-{stem}.md")
}
