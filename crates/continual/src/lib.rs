//! The continual-learning protocol: tasks in sequence, methods, trainer, result matrix.
//!
//! A [`Task`] consists of tokenized rows and a way to score answers. A [`Method`] decides how
//! weights may move during a task. A [`Sequence`] trains a model on one task after another and
//! fills the [`ResultMatrix`], from which [`metrics`] computes the reported figures. This crate
//! names no data set and no model family.

mod calibration;
pub mod checkpoint;
mod clock;
mod error;
mod evaluate;
pub mod method;
pub mod methods;
pub mod protocol;
mod scoring;
mod sequence;
pub mod trainer;

pub use calibration::{
    CalibrationData, Generation, LayerSample, Passes, ROWS_AT_A_TIME, SampleCheck, SampleSize,
    calibrate, check_sample, continued_rows, generated_rows, tokens_of,
};
pub use checkpoint::{CheckpointPolicy, NoCheckpoints, Pause};
pub use clock::{Clock, Seconds, TimedPart};
pub use error::ContinualError;
pub use evaluate::{AnswerScores, Evaluation, evaluate, evaluate_by_likelihood};
pub use method::{
    Figure, Method, MethodInputs, MethodKind, MethodRegistry, OptimizerConfig, SearchRange,
    SearchedSetting, TaskContext, TaskDiagnostics,
};
pub use protocol::{
    EvaluationSet, LabelScores, Protocol, Question, ResultMatrix, Scorer, Scoring, Task, metrics,
};
pub use sequence::{
    Event, Probe, Probed, Sequence, SequenceConfig, SequenceOutcome, rows_fingerprint,
};
