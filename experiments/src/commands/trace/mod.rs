//! `experiments trace`: learn the tasks of a suite in sequence, by several methods.

pub(crate) mod calibration;
pub(crate) mod execute;
mod prepare;
mod tune;

use anyhow::Result;
use burn::tensor::Device;
use continual::CalibrationData;
use lm::{HfFolder, Llama, TextTokenizer};

use crate::cli::TraceArgs;
use crate::config::RunConfig;
use crate::report::{summarize, summary_table, write_report};
use crate::run::{Manifest, MetricsLog, RunFolder, RunResult};
use crate::{builtin, progress::Progress};
pub(crate) use prepare::{Prepared, Split};

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

    /// Opens the model together with what OSFT calibrates on.
    pub fn open_calibrated(config: &RunConfig, device: &Device) -> Result<Self> {
        let mut base = Self::open(config, device)?;
        base.calibrate(config)?;
        Ok(base)
    }

    /// Gets the calibration data of a configuration, where it asks for some.
    pub fn calibrate(&mut self, config: &RunConfig) -> Result<()> {
        self.calibration = calibration::data(config, &self.model, &self.tokenizer)?;
        Ok(())
    }
}

/// Runs or tunes.
pub fn run(args: &TraceArgs) -> Result<()> {
    let config = args.run.resolve()?;
    let device = config.backend.device()?.autodiff();
    let base = Base::open_calibrated(&config, &device)?;
    if args.tune {
        return tune::run(&config, &base, args);
    }
    let prepared = Prepared::load(&config, &base.tokenizer, Split::Test)?;
    let title = prepared.title(&config);
    println!("{title}\n");
    let (folder, manifest, mut log) = start("trace", title, &config, args)?;

    let runs = config.methods.len() * config.seeds.len();
    let progress = Progress::new((runs * execute::work(&config, &prepared)) as u64);
    let mut results: Vec<RunResult> = Vec::new();
    let mut tables = String::new();
    for &seed in &config.seeds {
        for &method in &config.methods {
            let outcome = execute::sequence(
                &config,
                &base,
                &prepared,
                method,
                seed,
                &progress,
                &mut |name, event| log.event(name, seed, event),
            )?;
            outcome.result.write(&folder)?;
            if let Some(table) = outcome.split_table.filter(|_| seed == config.seeds[0]) {
                let name = &outcome.result.method;
                tables.push_str(&format!("## Split of {name} for the first task\n\n"));
                tables.push_str(&format!("```text\n{table}\n```\n\n"));
            }
            if let Some(table) = outcome.change_table.filter(|_| seed == config.seeds[0]) {
                let name = &outcome.result.method;
                tables.push_str(&format!("## What the last task of {name} moved\n\n"));
                tables.push_str(&format!("```text\n{table}```\n\n"));
            }
            for (name, bytes) in &outcome.state_files {
                folder.write(&format!("{}-{name}", outcome.result.stem()), bytes)?;
            }
            if !outcome.layers_csv.is_empty() {
                let file = format!("layers-{}.csv", outcome.result.stem());
                folder.write(&file, outcome.layers_csv.as_bytes())?;
            }
            results.push(outcome.result);
        }
    }
    progress.finish();
    let summaries = summarize(&results)?;
    write_report(&folder, &manifest, &summaries, &tables)?;
    for summary in &summaries {
        println!(
            "{}\n{}\n",
            summary.method,
            crate::report::matrix_table(summary)
        );
    }
    println!("{}", summary_table(&summaries, false));
    println!("\nreport: {}", folder.path().join("report.md").display());
    Ok(())
}

/// The run's folder with everything that is known before the first step.
fn start(
    name: &str,
    title: String,
    config: &RunConfig,
    args: &TraceArgs,
) -> Result<(RunFolder, Manifest, MetricsLog)> {
    let folder = RunFolder::create(args.out.as_deref(), name)?;
    let manifest = Manifest::new(title, config.backend.name());
    folder.write("config.toml", toml::to_string(config)?.as_bytes())?;
    let json = serde_json::to_string_pretty(&manifest)?;
    folder.write("run.json", json.as_bytes())?;
    let log = MetricsLog::create(&folder)?;
    Ok((folder, manifest, log))
}
