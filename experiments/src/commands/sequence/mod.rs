//! `experiments trace` and `experiments t5`: learn the tasks of a suite in sequence, by several
//! methods.

pub(crate) mod calibration;
pub(crate) mod execute;
pub(crate) mod identities;
mod jobs;
mod lengths;
mod load_task;
mod observed;
mod prepare;
mod rows;
mod start;
mod tune;
pub(crate) mod work;

use std::cell::OnceCell;

use anyhow::{Context, Result};
use burn::tensor::Device;
use continual::CalibrationData;
use lm::{FolderFingerprint, HfFolder, Model, TextTokenizer};

use crate::builtin;
use crate::cli::SequenceArgs;
use crate::config::{BenchmarkName, RunConfig};
use crate::report::{matrix_table, orders_table, summarize, summary_table, write_report};
use crate::run::RunResult;
use execute::method_label;
use identities::contents;
pub(crate) use jobs::diverged;
use jobs::{Planned, run_all};
use observed::Observed;
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
    /// Layers whose inputs can be measured, once somebody asks.
    observed: OnceCell<Observed>,
    /// What the model was read from.
    pub fingerprint: FolderFingerprint,
    /// What was not as its authors' tools would have it, in sentences.
    pub warnings: Vec<String>,
}

impl Base {
    /// Opens the model of a configuration.
    pub fn open(config: &RunConfig, device: &Device) -> Result<Self> {
        let path = match &config.model {
            Some(path) => path.clone(),
            None => builtin::model(config.benchmark)?,
        };
        let folder = HfFolder::open(path)?;
        let tokenizer = folder.tokenizer()?;
        let loaded = folder.load::<Model>(device)?;
        let warnings = tokenizer.warnings().iter().chain(&loaded.warnings);
        let base = Self {
            warnings: warnings.cloned().collect(),
            fingerprint: folder.fingerprint(tokenizer.stop_tokens())?,
            tokenizer,
            model: loaded.model,
            calibration: None,
            observed: OnceCell::new(),
        };
        for order in config.orders() {
            base.check(&config.with_order(&order)?, device)?;
        }
        Ok(base)
    }

    /// Checks that the methods of a configuration can work on the model, and on its device.
    ///
    /// # Errors
    ///
    /// A precision that the device lacks, targets that are not there or that no calibration can observe.
    pub fn check(&self, config: &RunConfig, device: &Device) -> Result<()> {
        let methods = config.methods.iter();
        for osft in methods.filter_map(|&method| config.osft_config(method)) {
            osft.check_device(device)?;
        }
        match config.reads_calibration() {
            true => {
                let observed = self.observed.get_or_init(|| Observed::of(&self.model));
                observed.check(config, &self.model)
            }
            false => Ok(()),
        }
    }

    /// Gets the calibration data of a configuration, where it asks for some.
    pub fn calibrate(&mut self, config: &RunConfig) -> Result<()> {
        self.calibration = calibration::data(config, &self.model, &self.tokenizer)?;
        Ok(())
    }
}

/// Runs, goes on with a run, or tunes.
pub fn run(benchmark: BenchmarkName, args: &SequenceArgs) -> Result<()> {
    let config = start::config(benchmark, args)?;
    let tuning = start::is_tuning(args)?;
    let device = config.backend.device()?.autodiff();
    let mut base = Base::open(&config, &device)?;
    // What can be wrong with the data is found before anything is written.
    let split = match tuning {
        true => Split::Validation,
        false => Split::Test,
    };
    let mut orders = Prepared::load_orders(&config, &base.tokenizer, split)?;
    base.calibrate(&config)?;
    if tuning {
        for order in &mut orders {
            order.general = None;
        }
        return tune::run(&config, &base, &orders, args);
    }
    compare(&config, &base, &orders, args)
}

/// Every method with every seed on every order, and a report on all of them.
fn compare(
    config: &RunConfig,
    base: &Base,
    orders: &[Prepared],
    args: &SequenceArgs,
) -> Result<()> {
    let contents = contents(config, base, orders)?;
    let mut planned = Vec::new();
    for (prepared, contents) in orders.iter().zip(&contents) {
        for &seed in &config.seeds {
            for &method in &config.methods {
                let ordered = config.with_order(&prepared.order)?;
                let label = method_label(&ordered, method);
                let (settings, tasks) = ((config, ordered), (prepared, orders));
                planned.push(Planned::new(
                    settings, tasks, contents, method, seed, label,
                )?);
            }
        }
    }
    jobs::name_apart(&mut planned);
    let mut started = Started::open(false, config, base, orders, &contents, &planned, args)?;
    let outcome = run_all(&planned, base, &mut started);
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
        orders[0].published(orders).as_ref(),
        &notes,
    )?;
    for summary in &summaries {
        println!("{}\n{}\n", summary.label(), matrix_table(summary));
    }
    println!("{}", summary_table(&summaries, false));
    if let Some(table) = orders_table(&summaries, false) {
        println!("\n{table}");
    }
    let report = started.folder.path().join("report.md");
    println!("\nreport: {}", report.display());
    Ok(())
}

/// Where a run's tables stand, layer by layer, until they are part of the report.
fn tables_file(stem: &str) -> String {
    format!("tables-{stem}.md")
}
