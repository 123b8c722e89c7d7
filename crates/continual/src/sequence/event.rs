//! Events of a running sequence.

use crate::clock::Seconds;
use crate::method::TaskDiagnostics;
use crate::protocol::ResultMatrix;
use crate::trainer::Step;

use super::Probed;

/// An event of a running sequence.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The run resumes from a checkpoint.
    Resumed {
        /// Number of tasks learned so far.
        learned: usize,
        /// Optimizer steps of the learned tasks.
        before: usize,
        /// Optimizer steps done of the current task.
        steps_done: usize,
        /// Scores measured so far.
        matrix: &'a ResultMatrix,
        /// Whether the general-knowledge probe was answered before the first task.
        general: bool,
        /// What the probe found so far.
        probed: &'a [Probed],
    },
    /// A task begins.
    TaskStarted {
        /// Index of the task, from 0; 0 if all tasks are learned at once.
        task: usize,
        /// Its name.
        name: &'a str,
    },
    /// The method has prepared the model for a task that begins.
    Prepared {
        /// What trains, in words; empty if the method says nothing about it.
        trains: &'a str,
    },
    /// An optimizer step is done.
    Stepped {
        /// Index of the task, from 0; 0 if all tasks are learned at once.
        task: usize,
        /// Its name.
        name: &'a str,
        /// The step.
        step: Step,
    },
    /// The loss on the validation rows of the task was measured.
    Validated {
        /// Index of the task, from 0; 0 if all tasks are learned at once.
        task: usize,
        /// Its name.
        name: &'a str,
        /// Steps done so far.
        steps_done: usize,
        /// The loss in nats per answer token.
        loss: f64,
    },
    /// A task is learned.
    TaskLearned {
        /// Index of the task, from 0; 0 if all tasks are learned at once.
        task: usize,
        /// Its name.
        name: &'a str,
        /// The method's report on the task.
        diagnostics: &'a TaskDiagnostics,
        /// The cost of the task, from before its split until everything is merged and calibrated.
        seconds: Seconds,
    },
    /// Some questions are answered.
    Answered {
        /// Number of questions.
        questions: usize,
    },
    /// The probe has done some rows.
    Probed {
        /// What it measures.
        what: &'a str,
        /// Number of further rows.
        rows: usize,
    },
    /// A task is scored.
    Scored {
        /// Number of tasks learned so far.
        learned: usize,
        /// Index of the scored task, from 0; `None` for the general-knowledge probe.
        task: Option<usize>,
        /// The score, in `[0, 100]`.
        score: f64,
        /// The score of the likeliest labels, in `[0, 100]`, where it is measured beside that of generated answers.
        beside: Option<f64>,
        /// The scored answers.
        answers: &'a [String],
    },
}
