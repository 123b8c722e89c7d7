//! Runs what is missing, several runs at the same time.

use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};
use report::record::{DivergedRun, RunFolder, command_line};
use runs::job::{self, Job, Keeping};
use runs::sequence::diverged;
use runs::settings::RunConfig;
use runs::{Progress, at_once, interrupt, side_by_side};

use super::{Batch, Cost, Ended, PlannedRun};

impl Batch {
    /// Runs those of `runs` that have not `ended`, as [`ended`](Self::ended) found them, and returns how all of them
    /// ended. Every run writes its file when it ends, with scores or because it diverged.
    ///
    /// # Errors
    ///
    /// The first error of a run, except divergence; an interruption. What has ended is kept, and the error says how to
    /// go on.
    pub fn run(
        &mut self,
        folder: &RunFolder,
        runs: &[PlannedRun],
        mut ended: Vec<Option<Ended>>,
        jobs: Option<NonZeroUsize>,
    ) -> Result<Vec<Ended>> {
        let open = ended.iter().enumerate();
        let open = open.filter_map(|(index, ended)| ended.is_none().then_some(index));
        let missing: Vec<usize> = open.collect();
        let Some(&first) = missing.first() else {
            println!("{}", Cost::of(self, runs, &ended, 1)?);
            return Ok(ended.into_iter().flatten().collect());
        };
        let backend = runs[first].config.backend;
        let at_once = at_once(missing.len(), jobs, backend, &self.base.model);
        let cost = Cost::of(self, runs, &ended, at_once)?;
        println!("{cost}\n");
        // Those that read rows of the base model and those that read rows of the tasks alone share the data:
        // the first ones decide what is in it.
        let reads = |reads: fn(&RunConfig) -> bool| {
            let mut missing = missing.iter().map(|&index| &runs[index]);
            missing.find(|run| reads(&run.config))
        };
        let reader = reads(RunConfig::reads_base_rows);
        if let Some(run) = reader.or_else(|| reads(RunConfig::reads_calibration)) {
            let known = self.base.warnings.len();
            self.base.calibrate(&run.config, &self.orders)?;
            for line in &self.base.warnings[known..] {
                println!("Model: {line}.");
            }
        }
        let _stops_later = interrupt::stops_later()?;
        let progress = Progress::new(cost.rows);
        let cost = Mutex::new(cost);
        let found = side_by_side(missing.len(), at_once, |place, stop| {
            let run = &runs[missing[place]];
            let begun = Instant::now();
            let ended = self.one(folder, run, &progress, stop)?;
            let mut cost = cost.lock().unwrap_or_else(PoisonError::into_inner);
            let work = self.work(run)?;
            let seconds = match &ended {
                Ended::Scored(_) => Some(begun.elapsed().as_secs_f64()),
                Ended::Diverged(_) => None,
            };
            cost.count(work.total() as u64, work.likelihoods() as u64, seconds);
            progress.line(&cost.to_string());
            Ok(ended)
        });
        progress.finish();
        let cost = cost.into_inner().unwrap_or_else(PoisonError::into_inner);
        let found = found.with_context(|| what_is_kept(&cost, folder))?;
        for (index, found) in missing.into_iter().zip(found) {
            ended[index] = Some(found);
        }
        Ok(ended.into_iter().flatten().collect())
    }

    fn one(
        &self,
        folder: &RunFolder,
        run: &PlannedRun,
        progress: &Progress,
        stop: &AtomicBool,
    ) -> Result<Ended> {
        let rate = run.config.learning_rate(&run.method);
        let label = format!("{} lr {rate:e} seed {}", run.label, run.seed);
        let job = Job {
            config: &run.config,
            base: &self.base,
            prepared: &self.orders[run.order],
            method: &run.method,
            seed: run.seed,
            label: &label,
            suites: self.suites_of(run),
            progress,
            on_screen: false,
        };
        let begun = Instant::now();
        match job::sequence(&job, Keeping::Nothing { stop }) {
            Ok(outcome) => {
                let mut result = outcome.result;
                result.identity = Some(run.identity.clone());
                result.wall_seconds = Some(begun.elapsed().as_secs_f64());
                result.tuned = Some(run.config.is_tuned(&run.method));
                if let Some(suites) = self.suites_of(run) {
                    suites.keep(folder, &run.stem, &outcome.suites)?;
                }
                result.write_alone(folder, &run.stem)?;
                Ok(Ended::Scored(Box::new(result)))
            }
            // A diverging run is a result and does not end the batch.
            Err(error) if diverged(&error) => {
                let reason = format!("{error:#}");
                progress.line(&format!("{label}: {reason}"));
                let record = DivergedRun::new(&run.label, run.seed, rate, reason, &run.identity);
                record.write(folder, &run.stem)?;
                Ok(Ended::Diverged(Box::new(record)))
            }
            Err(error) => Err(error),
        }
    }
}

/// For an error message: what has ended, and how to go on.
fn what_is_kept(cost: &Cost, folder: &RunFolder) -> String {
    format!(
        "{} of {} runs have ended and are kept in {}; the others are begun anew by the same command: {}",
        cost.ended,
        cost.runs,
        folder.path().display(),
        command_line()
    )
}
