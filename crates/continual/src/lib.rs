//! The continual-learning protocol: tasks in sequence, methods, trainer, result matrix.
//!
//! A [`Task`] is tokenized rows and a way to score answers; a [`Method`] says how
//! weights may move during a task; a [`Sequence`] trains a model on one task after another and
//! fills the [`ResultMatrix`], from which [`metrics`] computes what is reported. No data set and no
//! model family is known here by name.

mod calibrate;
pub mod checkpoint;
mod clock;
mod error;
mod evaluate;
mod matrix;
pub mod methods;
pub mod metrics;
mod sequence;
mod task;
pub mod trainer;

pub use calibrate::{CalibrationData, calibrate, generated_rows};
pub use clock::{Clock, Seconds, TimedPart};
pub use error::ContinualError;
pub use evaluate::{Evaluation, evaluate};
pub use matrix::ResultMatrix;
pub use methods::{Method, TaskContext, TaskDiagnostics};
pub use sequence::{
    CheckpointPolicy, Event, NoCheckpoints, Pause, Protocol, Scoring, Sequence, SequenceConfig,
    SequenceOutcome, rows_fingerprint,
};
pub use task::{EvaluationSet, Question, Scorer, Task};
