//! What is told while a sequence runs.

use crate::clock::Seconds;
use crate::method::TaskDiagnostics;
use crate::protocol::ResultMatrix;
use crate::trainer::Step;

/// What happens during a sequence, as it happens.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The run goes on from a checkpoint.
    Resumed {
        /// Number of tasks learned so far.
        learned: usize,
        /// Steps done of the tasks that are learned.
        before: usize,
        /// Steps done of the task after them.
        steps_done: usize,
        /// Scores measured so far.
        matrix: &'a ResultMatrix,
        /// Whether the general-knowledge probe was answered before the first task.
        general: bool,
    },
    /// A task begins.
    TaskStarted {
        /// Index of the task, from 0; 0 where all tasks are learned at once.
        task: usize,
        /// Its name.
        name: &'a str,
    },
    /// An optimizer step is done.
    Stepped {
        /// Index of the task, from 0; 0 where all tasks are learned at once.
        task: usize,
        /// Its name.
        name: &'a str,
        /// The step.
        step: Step,
    },
    /// The loss on the validation rows of the task was measured.
    Validated {
        /// Index of the task, from 0; 0 where all tasks are learned at once.
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
        /// Index of the task, from 0; 0 where all tasks are learned at once.
        task: usize,
        /// Its name.
        name: &'a str,
        /// What the method says about it.
        diagnostics: &'a TaskDiagnostics,
        /// What the task cost, from before its split until everything is merged and calibrated.
        seconds: Seconds,
    },
    /// Some questions are answered.
    Answered {
        /// How many.
        questions: usize,
    },
    /// A task is scored.
    Scored {
        /// Number of tasks learned so far.
        learned: usize,
        /// Index of the scored task, from 0; `None` for the general-knowledge probe.
        task: Option<usize>,
        /// The score, in `[0, 100]`.
        score: f64,
        /// The answers it was given for.
        answers: &'a [String],
    },
}
