//! The progress of a job, in lines and as a share of the work.

use std::cell::Cell;

use continual::Event;

use super::work::Work;
use crate::data::PreparedTasks;
use crate::progress::Progress;

/// The progress of one job.
pub struct JobProgress<'a> {
    /// Its name in the output.
    pub name: &'a str,
    /// Its work.
    pub work: Work,
    /// Its tasks.
    pub prepared: &'a PreparedTasks,
    /// The progress of all jobs together.
    pub progress: &'a Progress,
    /// Rows done of the current task.
    pub rows: Cell<usize>,
    /// Work that was counted, in rows and questions.
    pub counted: Cell<u64>,
}

impl JobProgress<'_> {
    /// Leaves out what a job that failed has not done.
    pub fn give_up(&self) {
        let left = (self.work.total() as u64).saturating_sub(self.counted.get());
        let total = self.progress.total();
        self.progress.set_total(total.saturating_sub(left));
    }

    fn advance(&self, steps: usize, message: &str) {
        self.counted.set(self.counted.get() + steps as u64);
        self.progress.advance(steps as u64, message);
    }

    /// Shows an event.
    pub fn event(&self, event: &Event<'_>) {
        let label = self.name;
        match event {
            Event::Resumed {
                learned,
                steps_done,
                matrix,
                general,
                probed,
                ..
            } => {
                let rows = self.work.rows_after(*learned, *steps_done);
                self.rows.set(rows);
                let done = self.work.done(*learned, rows, matrix, *general, probed);
                self.counted.set(done as u64);
                self.progress.skip(done as u64);
                self.progress.line(&format!(
                    "{label}: continuing after {learned} tasks and {steps_done} steps"
                ));
            }
            Event::TaskStarted { .. } => self.rows.set(0),
            Event::Prepared { trains } => {
                if !trains.is_empty() {
                    self.progress.line(&format!("{label}: {trains}"));
                }
            }
            Event::Stepped { name, step, .. } => {
                self.rows.set(self.rows.get() + step.rows);
                let message = format!("{label} · {name} · loss {:.3}", step.loss);
                self.advance(step.rows, &message);
            }
            Event::Validated {
                name,
                steps_done,
                loss,
                ..
            } => self.progress.line(&format!(
                "{label}: {name} after {steps_done} steps: validation loss {loss:.3}"
            )),
            Event::Answered { questions } => {
                let message = format!("{label} · answering");
                self.advance(*questions, &message);
            }
            Event::Probed { what, rows } => {
                let message = format!("{label} · {what}");
                self.advance(*rows, &message);
            }
            Event::Scored {
                learned,
                task,
                score,
                beside,
                ..
            } => {
                let what = task.map_or("general", |task| self.prepared.tasks[task].name.as_str());
                let beside = beside.map_or(String::new(), |score| {
                    format!(" (by likelihood {score:.1})")
                });
                let message =
                    format!("{label} · after {learned} tasks · {what} {score:.1}{beside}");
                self.advance(0, &message);
            }
            Event::TaskLearned {
                task,
                name,
                seconds,
                diagnostics,
            } => {
                // A task that ends early leaves rows undone.
                let left = self.work.stage_rows(*task).saturating_sub(self.rows.get());
                self.advance(left, &format!("{label} · {name}"));
                let figures: String = diagnostics
                    .figures
                    .iter()
                    .map(|figure| {
                        format!(", {} {}", figure.name, figure.notation.text(figure.value))
                    })
                    .collect();
                for warning in &diagnostics.warnings {
                    self.progress.line(&format!("{label}: warning: {warning}"));
                }
                self.progress.line(&format!(
                    "{label}: learned {name} in {:.1} s{figures}",
                    seconds.total()
                ));
            }
        }
    }
}
