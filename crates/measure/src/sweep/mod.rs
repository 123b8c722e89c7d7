//! `experiments sweep`: searches hyperparameters on validation rows, with as many trials for every method.

mod choice;
mod page;
mod trial;

use std::num::NonZeroUsize;
use std::path::Path;

use anyhow::{Result, ensure};
use report::page::several_revisions;
use report::record::{REVISION, RunFolder};
use runs::data::{ScoredRows, first_task};
use runs::settings::{RunConfig, ScoringName};

use crate::batch::{Batch, Ended, PlannedRun, own_folder};
use choice::Outcome;
pub use choice::TUNED_FILE;
pub use trial::{Axis, Search};
use trial::{Trial, trials};

/// What to search, and where the trials go.
#[derive(Clone, Copy, Debug)]
pub struct SweepRequest<'a> {
    /// Settings of every trial; their `compare` names the methods.
    pub config: &'a RunConfig,
    /// What the trials of a method try.
    pub search: &'a Search,
    /// Whether only the first task is learned and scored.
    pub first_task: bool,
    /// Folder with one file per run; the next free one if absent.
    pub out: Option<&'a Path>,
    /// How many runs go on at the same time; as many as a small model leaves cores for, if absent.
    pub jobs: Option<NonZeroUsize>,
}

/// Runs every trial that the folder lacks, chooses for every method the trial with the highest AA on the
/// validation rows, and writes the choices as `tuned.toml` and all trials as `report.md`.
///
/// # Errors
///
/// Settings out of range, a suite without validation rows of its own, and the first error of a run, except
/// divergence.
pub fn run(request: &SweepRequest<'_>) -> Result<()> {
    let mut config = request.config.clone();
    config.suites.unused_by("a search")?;
    config.scoring = ScoringName::Final;
    config.calibration.save = false;
    if let [order] = config.orders().as_slice() {
        // What the settings say of this order holds for every trial, for its first task too.
        config = config.with_order(order)?;
        // What names tasks of the public benchmark that a miniature lacks stays known as this order's.
        config.by_order.retain(|name, changes| {
            changes.retain(|key, _| key == "task_epochs");
            name == order
        });
    }
    if request.first_task {
        ensure!(
            config.orders().len() == 1,
            "the first task of which order? Name one with --order, not {}",
            config.order
        );
        config.order = first_task(&config)?;
    }
    let mut all: Vec<Trial> = Vec::new();
    for method in &config.compare {
        all.extend(trials(&config, method, request.search)?);
    }
    // A trial may read rows that the settings without it do not.
    let trials = all.iter().map(|trial| &trial.config);
    let configs: Vec<&RunConfig> = std::iter::once(&config).chain(trials).collect();
    let mut batch = Batch::open(&configs, ScoredRows::Validation)?.without_general()?;
    let title = format!(
        "Search on validation rows: {}",
        batch.orders[0].title(&config)
    );
    println!("{title}\n");
    batch.print_remarks();
    println!("{}", request.search);
    let mut runs: Vec<Vec<PlannedRun>> = Vec::new();
    for trial in &all {
        let mut own = Vec::new();
        for &seed in &config.seeds {
            own.extend(batch.plan(&trial.config, &trial.method, trial.rate, seed)?);
        }
        runs.push(own);
    }
    let folder = match request.out {
        Some(out) => own_folder(out, &["compare.csv", "study.csv"])?,
        None => RunFolder::create(None, "sweep")?,
    };
    let together = runs.concat();
    let ended = batch.ended(&folder, &together)?;
    let all_ended = batch.run(&folder, &together, ended, request.jobs)?;

    let (mut outcomes, mut ended) = (Vec::new(), all_ended.as_slice());
    for (trial, runs) in all.iter().zip(&runs) {
        let (own, others) = ended.split_at(runs.len());
        outcomes.push(Outcome::new(trial, own)?);
        ended = others;
    }
    ensure!(
        outcomes.iter().any(|outcome| outcome.accuracy.is_some()),
        "no trial can be chosen: all of them diverged; the runs are in {}",
        folder.path().display()
    );
    let rates_are_searched = !matches!(request.search, Search::Axes(_)) && !request.first_task;
    let tuned = choice::tuned(&config, &outcomes, rates_are_searched)?;
    folder.write(TUNED_FILE, tuned.as_bytes())?;
    let table = page::table(&config.compare, &outcomes, false);
    println!("{table}\n\n{tuned}");
    let computed_by = config.backend.describe(&config.backend.device()?);
    let (search, methods) = (request.search, &config.compare);
    let mut notes = batch.remarks();
    let revisions = all_ended.iter().filter_map(Ended::revision);
    notes.extend(several_revisions(revisions.chain([REVISION])));
    let page = page::page(
        &title,
        search,
        methods,
        &outcomes,
        &tuned,
        &computed_by,
        &notes,
    );
    folder.write("report.md", page.as_bytes())?;
    let path = folder.path();
    println!("report: {}", path.join("report.md").display());
    println!("use it: --config {}", path.join(TUNED_FILE).display());
    Ok(())
}
