//! The log of a run: one JSON object per line, from the first step on.

use std::fs::{File, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use continual::{Event, TaskDiagnostics};
use serde_json::{Value, json};

use super::RunFolder;

/// What the lines of one job have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedJob {
    /// Its label.
    pub method: String,
    /// The order of its tasks.
    pub order: String,
    /// Its seed.
    pub seed: u64,
}

/// Appends events to `metrics.jsonl`. Jobs that run at the same time take turns; every line names its job.
pub struct MetricsLog {
    file: BufWriter<File>,
    path: PathBuf,
}

impl MetricsLog {
    /// Creates the log of a run, or opens it. The file stays locked while this process uses it.
    ///
    /// # Errors
    ///
    /// If the file cannot be created, or another process uses it.
    pub fn create(folder: &RunFolder) -> Result<Self> {
        let path = folder.path().join("metrics.jsonl");
        let file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        // A file system without locks cannot keep two processes apart.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            bail!(
                "another process is running in {}: wait for it, or end it first",
                folder.path().display()
            );
        }
        let log = Self {
            file: BufWriter::new(file),
            path,
        };
        // Of a process that was killed while it wrote the file anew.
        let _ = std::fs::remove_file(log.unfinished());
        Ok(log)
    }

    /// Whether another process uses the log of a run; `false` where there is none, or a file system knows no locks.
    pub fn is_in_use(folder: &Path) -> bool {
        let file = File::open(folder.join("metrics.jsonl"));
        file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// Writes pending entries, to the disk: a checkpoint that is there counts on them.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        let written = self.file.flush();
        written
            .and_then(|()| self.file.get_ref().sync_data())
            .with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// Logs an event of a job; returns whether this event has a line in the log.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn event(&mut self, job: &LoggedJob, event: &Event<'_>) -> Result<bool> {
        let Some(mut line) = describe(event) else {
            return Ok(false);
        };
        line["method"] = json!(job.method);
        line["order"] = json!(job.order);
        line["seed"] = json!(job.seed);
        // A crash may lose the last steps, but no score.
        let flush = !matches!(event, Event::Stepped { .. });
        writeln!(self.file, "{line}")
            .and_then(|()| if flush { self.file.flush() } else { Ok(()) })
            .with_context(|| format!("cannot write {}", self.path.display()))?;
        Ok(true)
    }

    /// Keeps the first `count` lines of a job and removes its later ones, which will be logged again. The
    /// lines of other jobs stay.
    ///
    /// # Errors
    ///
    /// If the job has fewer lines, or the file cannot be written.
    pub fn keep(&mut self, job: &LoggedJob, count: usize) -> Result<()> {
        let text = self.read()?;
        let mut own = 0;
        let kept: Vec<&str> = whole_lines(&text)
            .filter(|line| {
                let is_own = job_of(line).as_ref() == Some(job);
                own += usize::from(is_own);
                !is_own || own <= count
            })
            .collect();
        ensure!(
            own >= count,
            "{} has {own} lines of {}, seed {}, but held {count} when the checkpoint was saved",
            self.path.display(),
            job.method,
            job.seed
        );
        self.replace(&text, &kept.concat())
    }

    /// Puts the lines of each job together, the jobs in this order.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn group(&mut self, jobs: &[LoggedJob]) -> Result<()> {
        let text = self.read()?;
        let mut lines: Vec<(usize, &str)> = whole_lines(&text)
            .map(|line| {
                let job = job_of(line);
                let at = jobs.iter().position(|known| job.as_ref() == Some(known));
                (at.unwrap_or(jobs.len()), line)
            })
            .collect();
        lines.sort_by_key(|(at, _)| *at);
        let grouped: String = lines.into_iter().map(|(_, line)| line).collect();
        self.replace(&text, &grouped)
    }

    fn read(&mut self) -> Result<String> {
        self.flush()?;
        let path = self.path.display();
        std::fs::read_to_string(&self.path).with_context(|| format!("cannot read {path}"))
    }

    /// Replaces the file as a whole, if its text changes.
    fn replace(&mut self, old: &str, new: &str) -> Result<()> {
        if old == new {
            return Ok(());
        }
        self.file = self
            .replaced(&self.unfinished(), new)
            .with_context(|| format!("cannot write {}", self.path.display()))?;
        Ok(())
    }

    /// The file that will replace the log.
    fn unfinished(&self) -> PathBuf {
        self.path.with_extension("jsonl.unfinished")
    }

    fn replaced(&self, unfinished: &Path, text: &str) -> io::Result<BufWriter<File>> {
        std::fs::write(unfinished, text)?;
        let file = File::options().append(true).open(unfinished)?;
        file.sync_all()?;
        // Locked before it has the name by which other processes look for the lock; as above, a file system
        // without locks is no reason to stop.
        let _ = file.try_lock();
        std::fs::rename(unfinished, &self.path)?;
        Ok(BufWriter::new(file))
    }
}

/// The lines that end; a process that was killed may leave half a line at the end.
fn whole_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
}

/// The job that a line names.
fn job_of(line: &str) -> Option<LoggedJob> {
    let line: Value = serde_json::from_str(line).ok()?;
    let text = |key: &str| Some(line.get(key)?.as_str()?.to_string());
    Some(LoggedJob {
        method: text("method")?,
        order: text("order")?,
        seed: line.get("seed")?.as_u64()?,
    })
}

/// The log entry of an event; `None` if it is not logged.
fn describe(event: &Event<'_>) -> Option<Value> {
    Some(match event {
        Event::TaskStarted { task, name } => {
            json!({"event": "task_started", "task": task, "name": name})
        }
        Event::Prepared { trains } => json!({"event": "prepared", "trains": trains}),
        Event::Stepped { task, step, .. } => json!({
            "event": "step",
            "task": task,
            "step": step.step,
            "loss": step.loss,
            "gradient_norm": step.gradient_norm,
            "learning_rate": step.learning_rate,
            "tokens": step.tokens,
        }),
        Event::Validated {
            task,
            steps_done,
            loss,
            ..
        } => json!({
            "event": "validated",
            "task": task,
            "step": steps_done,
            "validation_loss": loss,
        }),
        Event::TaskLearned {
            task,
            diagnostics,
            seconds,
            ..
        } => json!({
            "event": "task_learned",
            "task": task,
            "training_seconds": seconds.training,
            "split_seconds": seconds.split,
            "calibration_seconds": seconds.calibration,
            "trainable_parameters": diagnostics.trainable_parameters,
            "figures": figures(diagnostics),
            "layers": layers(diagnostics),
            "warnings": diagnostics.warnings,
        }),
        Event::Scored {
            learned,
            task,
            score,
            beside,
            ..
        } => {
            let mut line = json!({
                "event": "scored",
                "learned": learned,
                "task": task,
                "score": score,
            });
            if let Some(score) = beside {
                line["score_by_likelihood"] = json!(score);
            }
            line
        }
        // A resumed run leaves the same log as an uninterrupted one.
        Event::Resumed { .. } | Event::Answered { .. } | Event::Probed { .. } => return None,
    })
}

/// The figures, by name.
fn figures(diagnostics: &TaskDiagnostics) -> Value {
    let figures = diagnostics.figures.iter();
    figures
        .map(|figure| (figure.name.clone(), json!(figure.value)))
        .collect()
}

/// One object per layer, with its values by column.
fn layers(diagnostics: &TaskDiagnostics) -> Value {
    let table = &diagnostics.layers;
    let rows = table.rows.iter().map(|row| {
        let cells = table.columns.iter().zip(&row.values);
        let cells =
            cells.filter_map(|(column, value)| Some((column.name.clone(), json!((*value)?))));
        let layer = ("layer".to_string(), json!(row.layer));
        std::iter::once(layer).chain(cells).collect::<Value>()
    });
    rows.collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn job(method: &str) -> LoggedJob {
        LoggedJob {
            method: method.to_string(),
            order: "1".to_string(),
            seed: 0,
        }
    }

    fn start(log: &mut MetricsLog, method: &str, task: usize) {
        let event = Event::TaskStarted { task, name: "t" };
        assert!(log.event(&job(method), &event).unwrap());
    }

    fn lines(path: &Path) -> Vec<String> {
        let text = std::fs::read_to_string(path.join("metrics.jsonl")).unwrap();
        let line = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            format!("{}{}", line["method"].as_str().unwrap(), line["task"])
        };
        text.lines().map(line).collect()
    }

    #[test]
    fn a_job_loses_its_own_later_lines_and_half_a_line_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        let folder = RunFolder::create(Some(&path), "run").unwrap();
        let mut log = MetricsLog::create(&folder).unwrap();
        for (method, task) in [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 2)] {
            start(&mut log, method, task);
        }
        log.flush().unwrap();
        let half = File::options()
            .append(true)
            .open(path.join("metrics.jsonl"));
        half.unwrap().write_all(b"{\"event\": \"st").unwrap();
        log.keep(&job("a"), 1).unwrap();
        assert_eq!(lines(&path), ["a0", "b0", "b1"]);
        // The new file is appended to, and locked like the old one.
        start(&mut log, "a", 7);
        assert!(MetricsLog::create(&folder).is_err());
        log.group(&[job("a"), job("b")]).unwrap();
        assert_eq!(lines(&path), ["a0", "a7", "b0", "b1"]);
        let error = log.keep(&job("b"), 3).unwrap_err().to_string();
        assert!(
            error.contains("has 2 lines of b, seed 0, but held 3"),
            "{error}"
        );
        assert_eq!(lines(&path), ["a0", "a7", "b0", "b1"]);
    }
}
