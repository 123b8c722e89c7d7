//! The tasks of a suite in sequence, by several methods: what `experiments trace` and `experiments t5` do.

pub mod identities;
mod jobs;
mod start;
mod tune;

use std::path::Path;

use anyhow::{Context, Result};
use report::page::{matrix_table, orders_table, summarize, summary_table, write_report};
use report::record::RunResult;

use crate::base::BaseModel;
use crate::data::{PreparedTasks, ScoredRows};
use crate::settings::RunConfig;
use identities::contents;
pub use jobs::diverged;
use jobs::{PlannedJob, run_all};
use start::StartedRun;
pub use start::resumed;

/// Where the results go, and what is done.
#[derive(Clone, Copy, Debug, Default)]
pub struct SequenceRequest<'a> {
    /// Folder for the results; the next free one if absent.
    pub out: Option<&'a Path>,
    /// Folder of the run that is gone on with.
    pub resume: Option<&'a Path>,
    /// Whether learning rates are tuned on the validation rows.
    pub tuning: bool,
}

/// Runs, goes on with a run, or tunes.
///
/// # Errors
///
/// What is wrong with model or data, before anything is written; then the first error of a run.
pub fn run(config: &RunConfig, request: &SequenceRequest<'_>) -> Result<()> {
    let device = config.backend.device()?.autodiff();
    let mut base = BaseModel::open(config, &device)?;
    // What can be wrong with the data is found before anything is written.
    let scored = match request.tuning {
        true => ScoredRows::Validation,
        false => ScoredRows::Test,
    };
    let mut orders = PreparedTasks::load_orders(config, &base.tokenizer, scored)?;
    base.calibrate(config)?;
    if request.tuning {
        for order in &mut orders {
            order.general = None;
        }
        return tune::run(config, &base, &orders, request);
    }
    compare(config, &base, &orders, request)
}

/// Every method with every seed on every order, and a report on all of them.
fn compare(
    config: &RunConfig,
    base: &BaseModel,
    orders: &[PreparedTasks],
    request: &SequenceRequest<'_>,
) -> Result<()> {
    let contents = contents(config, base, orders)?;
    let mut planned = Vec::new();
    for (prepared, contents) in orders.iter().zip(&contents) {
        for &seed in &config.seeds {
            for method in &config.compare {
                let ordered = config.with_order(&prepared.order)?;
                let label = ordered.label(method)?;
                let (settings, tasks) = ((config, ordered), (prepared, orders));
                planned.push(PlannedJob::new(
                    settings, tasks, contents, method, seed, label,
                )?);
            }
        }
    }
    jobs::name_apart(&mut planned);
    let mut started = StartedRun::open(config, base, orders, &contents, &planned, request)?;
    let outcome = run_all(&planned, base, &mut started);
    let results = outcome.with_context(|| started.what_is_saved())?;
    let results: Vec<RunResult> = results.into_iter().flatten().collect();

    let summaries = summarize(&results)?;
    let mut notes = String::new();
    // The tables of the first seed stand for all.
    for planned in planned.iter().take(config.compare.len()) {
        let file = started.folder.path().join(tables_file(&planned.stem));
        if let Ok(tables) = std::fs::read_to_string(file) {
            notes.push_str(&tables);
        }
    }
    write_report(
        &started.folder,
        &started.manifest,
        &summaries,
        orders[0].published(config, orders)?.as_ref(),
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
