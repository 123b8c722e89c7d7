//! Runs the tasks of a suite in sequence with several methods: the commands `experiments trace` and
//! `experiments t5`.

pub mod identities;
mod jobs;
mod start;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use evaluate::{course, page};
use lm::ExportPrecision;
use report::page::{
    format_table, likelihood_note, likelihood_table, matrix_table, orders_table, summarize,
    summary_table, write_report,
};
use report::record::{Contents, Manifest, RunFolder, RunResult};

use crate::base::BaseModel;
use crate::data::{PreparedTasks, ScoredRows};
use crate::interpolation::{self, PointOnLine};
use crate::job::Outcome;
use crate::screen;
use crate::settings::RunConfig;
use crate::side_by_side::at_once;
use crate::suites::GeneralSuites;
use identities::contents;
pub use jobs::diverged;
use jobs::{Going, PlannedJob, run_all};
use start::StartedRun;
pub use start::resumed;

/// The folder of the exported models, in the folder of a run.
pub const MODELS: &str = "models";

/// What to run, and where the results go.
#[derive(Clone, Copy, Debug, Default)]
pub struct SequenceRequest<'a> {
    /// Folder for the results; the next free one if absent.
    pub out: Option<&'a Path>,
    /// Folder of the run to resume.
    pub resume: Option<&'a Path>,
    /// Whether to draw the run on the terminal, if there is one.
    pub tui: bool,
    /// How many jobs run at the same time; as many as a small model leaves cores for, if absent.
    pub jobs: Option<NonZeroUsize>,
    /// Points between the base model and every trained model to score too, as shares of the change.
    pub interpolate: &'a [f64],
    /// Whether to export every trained model to `models` in the run's folder.
    pub save_models: bool,
    /// The command that continues the run, if it is not `experiments BENCHMARK --resume FOLDER`.
    pub continue_with: Option<&'a str>,
}

impl SequenceRequest<'_> {
    /// Whether the run is drawn; says so if it cannot be.
    fn on_screen(&self) -> bool {
        let on_screen = self.tui && screen::has_terminal();
        if self.tui && !on_screen {
            eprintln!(
                "--tui draws on a terminal, and the output is not one: progress is printed in lines"
            );
        }
        on_screen
    }

    /// Checks that a job which is complete left what is asked for: its trained model is gone.
    ///
    /// # Errors
    ///
    /// If its model was not kept, or models between it and the base model were not scored.
    fn check_complete(&self, planned: &PlannedJob<'_>, folder: &RunFolder) -> Result<()> {
        let Some(ended) = RunResult::read(folder, &planned.stem)? else {
            return Ok(());
        };
        let there = |file: PathBuf| folder.path().join(file).exists();
        let has_line = interpolation::has_line(ended.protocol);
        let wants_line = !self.interpolate.is_empty() && has_line;
        if wants_line && let Some(points) = line(folder, &planned.stem)? {
            let shares: Vec<f64> = points.iter().map(|point| point.share).collect();
            ensure!(
                shares == self.interpolate,
                "--interpolate: {} has ended with models at the shares {shares:?}, and its own is gone; ask for the same",
                planned.label
            );
        }
        let flag = if self.save_models && !there(Path::new(MODELS).join(&planned.stem)) {
            "--save-model"
        } else if wants_line && !there(line_file(&planned.stem).into()) {
            "--interpolate"
        } else {
            return Ok(());
        };
        bail!(
            "{flag}: {} has ended without it, and its model is gone; start a new run with it, or remove {}",
            planned.label,
            folder
                .path()
                .join(format!("result-{}.json", planned.stem))
                .display()
        )
    }

    /// How `jobs` jobs are gone through.
    fn going(&self, jobs: usize, config: &RunConfig, base: &BaseModel) -> Going {
        let on_screen = self.on_screen();
        let asked = match on_screen {
            true => Some(NonZeroUsize::MIN),
            false => self.jobs,
        };
        let at_once = at_once(jobs, asked, config.backend, &base.model);
        Going { at_once, on_screen }
    }
}

/// Starts a run, or resumes it.
///
/// # Errors
///
/// An error in model or data, before anything is written; then the first error of a job.
pub fn run(config: &RunConfig, request: &SequenceRequest<'_>) -> Result<()> {
    interpolation::check_shares(request.interpolate)?;
    let device = config.backend.device()?.autodiff();
    let mut base = BaseModel::open(config, &device)?;
    // Find errors in the data before writing anything.
    let orders = PreparedTasks::load_orders(config, &base.tokenizer, ScoredRows::Test)?;
    base.calibrate(config, &orders)?;
    let suites = GeneralSuites::before(config, &base)?;
    compare(config, &base, &orders, suites.as_ref(), request)
}

/// Every method with every seed on every order.
fn plan<'a>(
    config: &RunConfig,
    orders: &'a [PreparedTasks],
    contents: &[Contents],
) -> Result<Vec<PlannedJob<'a>>> {
    let mut planned = Vec::new();
    for (prepared, contents) in orders.iter().zip(contents) {
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
    Ok(planned)
}

/// Runs every method with every seed on every order, and reports on all of them.
fn compare(
    config: &RunConfig,
    base: &BaseModel,
    orders: &[PreparedTasks],
    suites: Option<&GeneralSuites>,
    request: &SequenceRequest<'_>,
) -> Result<()> {
    let contents = contents(config, base, orders)?;
    let mut planned = plan(config, orders, &contents)?;
    jobs::name_apart(&mut planned);
    let going = request.going(planned.len(), config, base);
    let started = StartedRun::open(
        config,
        base,
        orders,
        &contents,
        &planned,
        (request, going.at_once),
    )?;
    let models = started.folder.path().join(MODELS);
    let folder = &started.folder;
    if let Some(suites) = suites {
        suites.keep_base(folder)?;
    }
    for planned in &planned {
        request.check_complete(planned, folder)?;
    }
    let mut export = |planned: &PlannedJob<'_>, outcome: &Outcome| {
        if request.save_models {
            save_model(base, outcome, &models.join(&planned.stem))?;
        }
        let protocol = outcome.result.protocol;
        if !request.interpolate.is_empty() && interpolation::has_line(protocol) {
            eprintln!(
                "{}: scoring models between it and the base model",
                planned.label
            );
            let (config, prepared) = (&planned.config, planned.prepared);
            let model = &outcome.model;
            let points =
                interpolation::measure(config, base, prepared, model, request.interpolate)?;
            let json = serde_json::to_string_pretty(&points)?;
            folder.write(&line_file(&planned.stem), json.as_bytes())?;
        }
        Ok(())
    };
    let outcome = run_all(&planned, base, &started, (going, suites), &mut export);
    let results = outcome.with_context(|| started.what_is_saved())?;
    let summaries = summarize(&results)?;
    let mut notes = String::new();
    for planned in &planned {
        let title = format!("{}, seed {}", planned.label, planned.seed);
        let earlier = folder.path().join(format!("general-{}.json", planned.stem));
        if earlier.is_file() {
            eprintln!(
                "{} is of an earlier version: the report does not show it",
                earlier.display()
            );
        }
        if let Some(course) = course::read(folder.path(), &planned.stem)? {
            notes.push_str(&page::course_section(&title, &course)?);
        }
        if let Some(points) = line(&started.folder, &planned.stem)? {
            notes.push_str(&interpolation::section(&title, &points));
        }
    }
    // The report shows the tables of the first seed only.
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
    if let Some(table) = format_table(&summaries, false) {
        println!("\nanswers in the right format\n{table}");
    }
    if let Some(table) = likelihood_table(&summaries, false) {
        println!("\ngenerated answers and the likeliest labels\n{table}");
    }
    if let Some(note) = likelihood_note(&summaries) {
        println!("\n{note}");
    }
    let report = started.folder.path().join("report.md");
    println!("\nreport: {}", report.display());
    Ok(())
}

/// Exports a trained model to a folder, in place of what an interrupted process left there.
fn save_model(base: &BaseModel, outcome: &Outcome, folder: &Path) -> Result<()> {
    if folder.is_dir() {
        std::fs::remove_dir_all(folder)
            .with_context(|| format!("cannot replace {}", folder.display()))?;
    }
    base.folder
        .export(&outcome.model, folder, ExportPrecision::default())?;
    Ok(())
}

/// Runs one method with one seed on tasks that are already prepared, in a folder of its own, without a report.
/// `on_outcome` receives what it ends with, unless the folder already has its result.
///
/// # Errors
///
/// The first error of the job or of `on_outcome`.
pub fn run_prepared(
    config: &RunConfig,
    base: &BaseModel,
    prepared: &PreparedTasks,
    request: &SequenceRequest<'_>,
    on_outcome: &mut (dyn FnMut(&Manifest, &Outcome) -> Result<()> + Send),
) -> Result<RunFolder> {
    let orders = std::slice::from_ref(prepared);
    let contents = contents(config, base, orders)?;
    let planned = plan(config, orders, &contents)?;
    let going = request.going(planned.len(), config, base);
    let started = StartedRun::open(
        config,
        base,
        orders,
        &contents,
        &planned,
        (request, going.at_once),
    )?;
    let manifest = started.manifest.clone();
    let mut report = |_: &PlannedJob<'_>, outcome: &Outcome| on_outcome(&manifest, outcome);
    let outcome = run_all(&planned, base, &started, (going, None), &mut report);
    outcome.with_context(|| started.what_is_saved())?;
    Ok(started.folder)
}

/// The file with the scores of the models between the base model and a job's.
fn line_file(stem: &str) -> String {
    format!("line-{stem}.json")
}

/// The scores of the models between the base model and a job's; `None` if they were not measured.
fn line(folder: &RunFolder, stem: &str) -> Result<Option<Vec<PointOnLine>>> {
    let file = folder.path().join(line_file(stem));
    let Ok(points) = std::fs::read(&file) else {
        return Ok(None);
    };
    let points = serde_json::from_slice(&points);
    Ok(Some(
        points.with_context(|| format!("in {}", file.display()))?,
    ))
}

/// The file with a job's tables, layer by layer, until the report includes them.
fn tables_file(stem: &str) -> String {
    format!("tables-{stem}.md")
}
