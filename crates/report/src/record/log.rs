//! The log of a run: one JSON object per line, from the first step on.

use std::fs::{File, TryLockError};
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use continual::{Event, TaskDiagnostics};
use serde_json::{Value, json};

use super::RunFolder;

/// Appends events to `metrics.jsonl`.
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
        Ok(Self {
            file: BufWriter::new(file),
            path,
        })
    }

    /// Its length in bytes, including pending entries.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn length(&mut self) -> Result<u64> {
        self.flush()?;
        let metadata = self.file.get_ref().metadata();
        let metadata = metadata.with_context(|| format!("cannot read {}", self.path.display()))?;
        Ok(metadata.len())
    }

    /// Removes everything after the first `length` bytes.
    ///
    /// # Errors
    ///
    /// If the file is shorter, or cannot be written.
    pub fn truncate(&mut self, length: u64) -> Result<()> {
        let current = self.length()?;
        ensure!(
            current >= length,
            "{} has {current} bytes, but held {length} when the checkpoint was saved",
            self.path.display()
        );
        let file = self.file.get_ref();
        file.set_len(length)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// Writes pending entries.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        self.file
            .flush()
            .with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// Logs an event of the run of `method` with `seed` on an order of the tasks.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn event(&mut self, method: &str, order: &str, seed: u64, event: &Event<'_>) -> Result<()> {
        let Some(mut line) = describe(event) else {
            return Ok(());
        };
        line["method"] = json!(method);
        line["order"] = json!(order);
        line["seed"] = json!(seed);
        // A crash may lose the last steps, but no score.
        let flush = !matches!(event, Event::Stepped { .. });
        writeln!(self.file, "{line}")
            .and_then(|()| if flush { self.file.flush() } else { Ok(()) })
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
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
            ..
        } => json!({
            "event": "scored",
            "learned": learned,
            "task": task,
            "score": score,
        }),
        // A resumed run leaves the same log as an uninterrupted one.
        Event::Resumed { .. } | Event::Answered { .. } => return None,
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
