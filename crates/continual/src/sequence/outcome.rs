//! What a sequence is told, and what it gives back.

use lm::Decoding;

use crate::clock::Seconds;
use crate::method::TaskDiagnostics;
use crate::protocol::{Protocol, ResultMatrix, Scoring};
use crate::trainer::TrainConfig;

/// Settings of a sequence.
#[derive(Clone, Debug)]
pub struct SequenceConfig {
    /// Settings of the training loop.
    pub train: TrainConfig,
    /// Which scores are measured.
    pub scoring: Scoring,
    /// Questions answered at a time.
    pub evaluation_batch: usize,
    /// How answers are generated.
    pub decoding: Decoding,
    /// Decides the order of the rows.
    pub seed: u64,
}

/// Result of a sequence.
#[derive(Clone, Debug)]
pub struct SequenceOutcome<M> {
    /// The model after the last task; of independent models, that of the last task.
    pub model: M,
    /// How the method went through the tasks.
    pub protocol: Protocol,
    /// All scores measured. Where every task has a model of its own, the last row holds the score
    /// of each on its task.
    pub matrix: ResultMatrix,
    /// Score of the general-knowledge probe before the first and after the last task.
    pub general: Option<(f64, f64)>,
    /// What the method said about each task.
    pub diagnostics: Vec<TaskDiagnostics>,
    /// What the method cost over all tasks.
    pub seconds: Seconds,
}
