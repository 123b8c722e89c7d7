//! Records a running job in the run's folder: its log and its checkpoints.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use continual::checkpoint::{Checkpoint, Checkpoints, SEQUENCE_FILE, StatePart};
use continual::{CheckpointPolicy, ContinualError, Event, Pause, Task};
use serde_json::Value;

use crate::interrupt;
use crate::settings::CheckpointConfig;
use report::hash::shortened;
#[cfg(feature = "tensorboard")]
use report::record::EventFile;
use report::record::{LoggedJob, MetricsLog, RunFolder};

/// Parent folder of the checkpoints of all jobs of a run.
pub const CHECKPOINTS: &str = "checkpoints";
/// Key of the number of lines that a job had logged when its checkpoint was saved.
const LOG_LINES: &str = "log_lines";
/// Key of the job's key in a checkpoint.
const KEY: &str = "key";

/// The log and the checkpoints of one job.
pub struct Recorder<'a> {
    log: &'a Mutex<MetricsLog>,
    job: LoggedJob,
    /// Lines of this job in the log.
    lines: usize,
    stop: Option<&'a AtomicBool>,
    checkpoints: Option<Checkpoints>,
    key: String,
    every: Duration,
    every_steps: usize,
    saved: Instant,
    steps: usize,
    failed: Option<anyhow::Error>,
    #[cfg(feature = "tensorboard")]
    events: Option<(EventFile, Vec<String>)>,
}

impl<'a> Recorder<'a> {
    /// Logs a job, without checkpoints.
    pub fn new(log: &'a Mutex<MetricsLog>, job: LoggedJob) -> Self {
        Self {
            log,
            job,
            lines: 0,
            stop: None,
            checkpoints: None,
            key: String::new(),
            every: Duration::MAX,
            every_steps: 0,
            saved: Instant::now(),
            steps: 0,
            failed: None,
            #[cfg(feature = "tensorboard")]
            events: None,
        }
    }

    /// Also saves the job and stops it as soon as `stop` is set: another job ended with an error.
    pub fn stopped_by(mut self, stop: &'a AtomicBool) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Also writes TensorBoard events, if this build supports them; `tasks` give the names of the
    /// tasks.
    ///
    /// # Errors
    ///
    /// If they cannot be written.
    #[cfg_attr(not(feature = "tensorboard"), allow(unused_variables, unused_mut))]
    pub fn with_events(mut self, folder: &RunFolder, stem: &str, tasks: &[Task]) -> Result<Self> {
        #[cfg(feature = "tensorboard")]
        {
            let names = tasks.iter().map(|task| task.name.clone()).collect();
            self.events = Some((EventFile::create(folder.path(), stem)?, names));
        }
        Ok(self)
    }

    /// Also saves checkpoints, under `stem` in the run's folder; `key` identifies the job.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read, the latest checkpoint belongs to another job, or the log does
    /// not match it.
    pub fn with_checkpoints(
        mut self,
        folder: &RunFolder,
        stem: &str,
        key: &str,
        config: &CheckpointConfig,
    ) -> Result<Self> {
        let checkpoints = Checkpoints::open(folder.path().join(CHECKPOINTS).join(stem))?;
        let checkpoints = checkpoints.keeping(config.keep);
        if let Some(latest) = checkpoints.latest() {
            let state: Value = latest.json(SEQUENCE_FILE)?;
            let saved = state.get(KEY).and_then(Value::as_str);
            ensure!(
                saved == Some(key),
                "{} is of another run: its key is {}, that of this run {}",
                latest.path().display(),
                saved.map_or("not recorded", shortened),
                shortened(key)
            );
            let lines = state.get(LOG_LINES).and_then(Value::as_u64);
            let lines = lines.with_context(|| {
                let path = latest.path().join(SEQUENCE_FILE);
                format!("{} does not say how many lines the log had", path.display())
            })?;
            self.lines = usize::try_from(lines)?;
        }
        // Everything logged after the checkpoint happens again.
        self.log().keep(&self.job, self.lines)?;
        self.checkpoints = Some(checkpoints);
        self.key = key.to_string();
        self.every = Duration::from_secs_f64(60.0 * config.every_minutes);
        self.every_steps = config.every_steps;
        Ok(self)
    }

    /// The checkpoint to resume from.
    pub fn latest(&self) -> Option<Checkpoint> {
        self.checkpoints.as_ref()?.latest().cloned()
    }

    /// Writes pending log entries.
    ///
    /// # Errors
    ///
    /// If the log cannot be written.
    pub fn flush(&self) -> Result<()> {
        self.log().flush()
    }

    /// The log, which jobs at the same time share. One that panicked leaves whole lines.
    fn log(&self) -> MutexGuard<'a, MetricsLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the checkpoints, after the result is written.
    ///
    /// # Errors
    ///
    /// If they cannot be removed.
    pub fn finish(self) -> Result<()> {
        match self.checkpoints {
            Some(mut checkpoints) => Ok(checkpoints.clear()?),
            None => Ok(()),
        }
    }

    /// The error that ended logging, if any.
    pub fn failure(&mut self) -> Option<anyhow::Error> {
        self.failed.take()
    }

    /// Logs an event; an error ends the job.
    pub fn event(&mut self, event: &Event<'_>) {
        if self.failed.is_none() {
            let logged = self.log().event(&self.job, event);
            match logged {
                Ok(logged) => self.lines += usize::from(logged),
                Err(error) => self.failed = Some(error),
            }
        }
        #[cfg(feature = "tensorboard")]
        if let (None, Some((events, tasks))) = (&self.failed, &mut self.events) {
            self.failed = events.event(event, tasks).err();
        }
    }
}

/// Adapts a recorder to the protocol's checkpoint policy; the same recorder logs the events.
pub struct RecorderPolicy<'a, 'b>(pub &'a RefCell<Recorder<'b>>);

impl CheckpointPolicy for RecorderPolicy<'_, '_> {
    fn due(&mut self, pause: Pause) -> bool {
        let mut recorder = self.0.borrow_mut();
        if recorder.checkpoints.is_none() {
            return false;
        }
        if pause == Pause::Step {
            recorder.steps += 1;
            let by_steps = recorder.every_steps > 0 && recorder.steps >= recorder.every_steps;
            let by_time = !recorder.every.is_zero() && recorder.saved.elapsed() >= recorder.every;
            return by_steps || by_time;
        }
        true
    }

    fn save(&mut self, mut state: Value, parts: Vec<StatePart<'_>>) -> Result<(), ContinualError> {
        let mut recorder = self.0.borrow_mut();
        state[KEY] = Value::from(recorder.key.as_str());
        state[LOG_LINES] = Value::from(recorder.lines);
        // What the checkpoint counts must be in the file. Else the job ends with this error, and the latest
        // checkpoint stays.
        if let Err(error) = recorder.flush() {
            recorder.failed.get_or_insert(error);
            return Err(ContinualError::Interrupted);
        }
        if let Some(checkpoints) = &mut recorder.checkpoints {
            checkpoints.save(&state, parts)?;
        }
        recorder.saved = Instant::now();
        recorder.steps = 0;
        Ok(())
    }

    fn stopping(&self) -> bool {
        let recorder = self.0.borrow();
        let stopped = recorder
            .stop
            .is_some_and(|stop| stop.load(Ordering::SeqCst));
        interrupt::requested() || stopped || recorder.failed.is_some()
    }
}

/// The policy of a job that is not saved, and can be stopped: after Ctrl-C, or when another job ended with an error.
pub struct StoppedOnly<'a>(pub &'a AtomicBool);

impl CheckpointPolicy for StoppedOnly<'_> {
    fn due(&mut self, _pause: Pause) -> bool {
        false
    }

    fn save(&mut self, _state: Value, _parts: Vec<StatePart<'_>>) -> Result<(), ContinualError> {
        Ok(())
    }

    fn stopping(&self) -> bool {
        interrupt::requested() || self.0.load(Ordering::SeqCst)
    }
}
