//! Runs what is missing, several runs at the same time.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::Result;
use report::record::{DivergedRun, RunFolder};
use runs::job::{self, Job};
use runs::sequence::diverged;
use runs::settings::RunConfig;
use runs::{Progress, at_once, side_by_side};

use super::{Batch, Cost, PlannedRun};

impl Batch {
    /// Runs those of `runs` that have no file in the folder yet. Every run writes its file when it ends, with
    /// scores or because it diverged.
    ///
    /// # Errors
    ///
    /// The first error of a run, except divergence.
    pub fn run(
        &mut self,
        folder: &RunFolder,
        runs: &[PlannedRun],
        jobs: Option<NonZeroUsize>,
    ) -> Result<()> {
        let missing = self.missing(folder, runs)?;
        let Some(first) = missing.first() else {
            println!("{}", Cost::of(self, folder, runs, 1)?);
            return Ok(());
        };
        let at_once = at_once(missing.len(), jobs, first.config.backend, &self.base.model);
        let cost = Cost::of(self, folder, runs, at_once)?;
        println!("{cost}\n");
        // Those that read rows of the base model and those that read rows of the tasks alone share the data:
        // the first ones decide what is in it.
        let reads = |reads: fn(&RunConfig) -> bool| missing.iter().find(|run| reads(&run.config));
        let reader = reads(RunConfig::reads_base_rows);
        if let Some(run) = reader.or_else(|| reads(RunConfig::reads_calibration)) {
            self.base.calibrate(&run.config, &self.orders)?;
        }
        let progress = Progress::new(cost.rows);
        let cost = Mutex::new(cost);
        side_by_side(missing.len(), at_once, |index, _| {
            let run = missing[index];
            let begun = Instant::now();
            self.one(folder, run, &progress)?;
            let mut cost = cost.lock().unwrap_or_else(PoisonError::into_inner);
            let work = self.work(run)?;
            let seconds = begun.elapsed().as_secs_f64();
            cost.count(work.total() as u64, work.likelihoods() as u64, seconds);
            progress.line(&cost.to_string());
            Ok(())
        })?;
        progress.finish();
        Ok(())
    }

    fn one(&self, folder: &RunFolder, run: &PlannedRun, progress: &Progress) -> Result<()> {
        let rate = run.config.learning_rate(&run.method);
        let label = format!("{} lr {rate:e} seed {}", run.label, run.seed);
        let job = Job {
            config: &run.config,
            base: &self.base,
            prepared: &self.orders[run.order],
            method: &run.method,
            seed: run.seed,
            label: &label,
            progress,
            on_screen: false,
        };
        let begun = Instant::now();
        match job::sequence(&job, None) {
            Ok(mut outcome) => {
                let result = &mut outcome.result;
                result.identity = Some(run.identity.clone());
                result.wall_seconds = Some(begun.elapsed().as_secs_f64());
                result.tuned = Some(run.config.is_tuned(&run.method));
                result.write_alone(folder, &run.stem)
            }
            // A diverging run is a result and does not end the batch.
            Err(error) if diverged(&error) => {
                let reason = format!("{error:#}");
                progress.line(&format!("{label}: {reason}"));
                let record = DivergedRun::new(&run.label, run.seed, rate, reason, &run.identity);
                record.write(folder, &run.stem)
            }
            Err(error) => Err(error),
        }
    }
}
