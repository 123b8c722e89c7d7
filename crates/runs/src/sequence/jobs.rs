//! The jobs of a run: keeps complete ones, resumes interrupted ones, runs the others.

use std::cell::RefCell;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use continual::ContinualError;
use general::GeneralError;
use osft::OsftError;

use report::record::{
    Contents, Identity, LoggedJob, NamedResult, RunFolder, RunResult, stem, tell_apart,
};

use super::start::StartedRun;
use super::tables_file;
use crate::base::BaseModel;
use crate::data::PreparedTasks;
use crate::interrupt;
use crate::job::{self, CHECKPOINTS, Job, Keeping, Outcome, Recorder, Work};
use crate::progress::Progress;
use crate::settings::RunConfig;
use crate::side_by_side::side_by_side;
use crate::suites::GeneralSuites;

/// A job of a run.
pub struct PlannedJob<'a> {
    /// Its settings.
    pub config: RunConfig,
    /// Its tasks in their order.
    pub prepared: &'a PreparedTasks,
    /// The method.
    pub method: String,
    /// The seed.
    pub seed: u64,
    /// Its identity: everything that can change a number.
    pub identity: Identity,
    /// Its name in the output.
    pub label: String,
    /// The stem of its file names.
    pub stem: String,
}

impl<'a> PlannedJob<'a> {
    /// Plans one method with one seed on one order. `config` and `orders` cover all orders;
    /// `ordered` and `prepared` cover this order.
    ///
    /// # Errors
    ///
    /// If the settings cannot be written as TOML.
    pub fn new(
        (config, ordered): (&RunConfig, RunConfig),
        (prepared, orders): (&'a PreparedTasks, &[PreparedTasks]),
        contents: &Contents,
        method: &str,
        seed: u64,
        label: String,
    ) -> Result<Self> {
        let identity = config.identity(&ordered, method, contents)?;
        Ok(Self {
            stem: stem(&prepared.among(orders, &label), &identity, seed),
            config: ordered,
            prepared,
            method: method.to_string(),
            seed,
            identity,
            label,
        })
    }

    /// What its lines in the log have in common.
    fn logged(&self) -> LoggedJob {
        LoggedJob {
            method: self.label.clone(),
            order: self.prepared.order.clone(),
            seed: self.seed,
        }
    }
}

/// Receives the outcome of every job, before its result is written: a job with a result is complete.
/// Called for one job at a time.
pub type OnOutcome<'a> = dyn FnMut(&PlannedJob<'_>, &Outcome) -> Result<()> + Send + 'a;

/// Distinguishes jobs of the same name by the settings in which they differ.
pub fn name_apart(planned: &mut [PlannedJob<'_>]) {
    let tasks: Vec<Vec<String>> = planned
        .iter()
        .map(|run| {
            run.prepared
                .tasks
                .iter()
                .map(|task| task.name.clone())
                .collect()
        })
        .collect();
    let named: Vec<NamedResult<'_>> = planned
        .iter()
        .zip(&tasks)
        .map(|(run, tasks)| NamedResult {
            label: &run.label,
            tasks,
            identity: Some(&run.identity),
        })
        .collect();
    let labels = tell_apart(&named);
    for (run, label) in planned.iter_mut().zip(labels) {
        run.label = label;
    }
}

/// How the jobs of a run are gone through.
#[derive(Clone, Copy)]
pub struct Going {
    /// How many run at the same time.
    pub at_once: usize,
    /// Whether they are drawn on the terminal, which is for one at a time.
    pub on_screen: bool,
}

/// Runs all jobs that are not complete.
///
/// The results have the order of the jobs, however many run at the same time.
///
/// # Errors
///
/// The first error of a job; [`ContinualError::Interrupted`] if the user stopped the run.
pub fn run_all(
    planned: &[PlannedJob<'_>],
    base: &BaseModel,
    started: &StartedRun,
    (going, suites): (Going, Option<&GeneralSuites>),
    on_outcome: &mut OnOutcome<'_>,
) -> Result<Vec<RunResult>> {
    let _stops_later = interrupt::stops_later()?;
    let work = |planned: &PlannedJob<'_>| {
        let work = Work::new(&planned.config, planned.prepared, &planned.method)?;
        Ok(work.with_suites(suites).total() as u64)
    };
    let all: u64 = planned.iter().map(work).sum::<Result<u64>>()?;
    let progress = match going.on_screen {
        true => Progress::held(all),
        false => Progress::new(all),
    };
    let with_seed = planned.iter().any(|run| run.seed != planned[0].seed);
    let on_outcome = Mutex::new(on_outcome);
    let results = side_by_side(planned.len(), going.at_once, |index, stop| {
        let run = &planned[index];
        if let Some(result) = complete(run, started)? {
            progress.skip(work(run)?);
            return Ok(result);
        }
        let shown = match with_seed {
            true => format!("{} seed {}", run.label, run.seed),
            false => run.label.clone(),
        };
        let job = Job {
            config: &run.config,
            base,
            prepared: run.prepared,
            method: &run.method,
            seed: run.seed,
            label: &shown,
            suites,
            progress: &progress,
            on_screen: going.on_screen,
        };
        one(&job, run, started, stop, &on_outcome)
    })?;
    progress.finish();
    progress.release();
    let logged: Vec<LoggedJob> = planned.iter().map(PlannedJob::logged).collect();
    let mut log = started.log.lock().unwrap_or_else(PoisonError::into_inner);
    log.group(&logged)?;
    remove_checkpoints(started.folder.path())?;
    Ok(results)
}

/// The result of a job that is complete.
fn complete(run: &PlannedJob<'_>, started: &StartedRun) -> Result<Option<RunResult>> {
    let result = RunResult::read(&started.folder, &run.stem)?;
    if let Some(result) = &result {
        let identity = result.identity.as_ref();
        let found = identity.map(|identity| identity.key.as_str());
        ensure!(
            found == Some(run.identity.key.as_str()),
            "result-{}.json in {} is the result of another run: remove it, or start a new run",
            run.stem,
            started.folder.path().display()
        );
    }
    Ok(result)
}

fn one(
    job: &Job<'_>,
    run: &PlannedJob<'_>,
    started: &StartedRun,
    stop: &AtomicBool,
    on_outcome: &Mutex<&mut OnOutcome<'_>>,
) -> Result<RunResult> {
    let (folder, stem) = (&started.folder, run.stem.as_str());
    let recorder = Recorder::new(&started.log, run.logged())
        .stopped_by(stop)
        .with_checkpoints(folder, stem, &run.identity.key, &job.config.checkpoints)?
        .with_events(folder, stem, &job.prepared.tasks)?;
    let recorder = RefCell::new(recorder);
    let mut outcome = job::sequence(job, Keeping::Recorded(&recorder))?;
    outcome.result.identity = Some(run.identity.clone());
    outcome.result.tuned = Some(job.config.is_tuned(job.method));
    let recorder = recorder.into_inner();
    recorder.flush()?;
    write_details(&outcome, folder, run, job.config.calibration.save)?;
    let mut on_outcome = on_outcome.lock().unwrap_or_else(PoisonError::into_inner);
    on_outcome(run, &outcome)?;
    drop(on_outcome);
    if let Some(suites) = job.suites {
        suites.keep(folder, stem, &outcome.suites)?;
    }
    // Write the result last: a job with a result is complete.
    outcome.result.write(folder, stem)?;
    recorder.finish()?;
    Ok(outcome.result)
}

/// Writes the report on the layers, and the method's state between tasks.
fn write_details(
    outcome: &Outcome,
    folder: &RunFolder,
    run: &PlannedJob<'_>,
    with_state: bool,
) -> Result<()> {
    let (name, stem) = (&run.label, run.stem.as_str());
    let mut tables = String::new();
    for (title, text) in &outcome.texts {
        tables.push_str(&format!("## {title}: {name}\n\n"));
        tables.push_str(&format!("```text\n{}\n```\n\n", text.trim_end()));
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
    Ok(())
}

/// Whether a job ended because its loss or a gradient was not finite.
pub fn diverged(error: &anyhow::Error) -> bool {
    let mut causes = error.chain();
    causes.any(|cause| {
        // Finite weights may still be too large for a finite loss on a suite.
        let of_suite = cause.downcast_ref::<GeneralError>();
        let of_suite = matches!(of_suite, Some(GeneralError::NotFinite { .. }));
        let cause = cause.downcast_ref::<ContinualError>();
        let diverged = |error: &ContinualError| {
            matches!(
                error,
                ContinualError::Diverged { .. }
                    | ContinualError::NotFinite { .. }
                    // Finite weights may still be too large for finite activations.
                    | ContinualError::Osft(
                        OsftError::NonFinite { .. }
                            | OsftError::NonFiniteInputs { .. }
                            | OsftError::Unbounded { .. }
                    )
            )
        };
        of_suite || cause.is_some_and(diverged)
    })
}

fn remove_checkpoints(folder: &Path) -> Result<()> {
    let path = folder.join(CHECKPOINTS);
    match path.is_dir() {
        true => std::fs::remove_dir_all(&path)
            .with_context(|| format!("cannot remove {}", path.display())),
        false => Ok(()),
    }
}
