//! The settings of a sequence and its result.

use lm::Decoding;

use crate::clock::Seconds;
use crate::evaluate::AnswerScores;
use crate::method::TaskDiagnostics;
use crate::protocol::{LabelScores, Protocol, ResultMatrix, Scoring};
use crate::trainer::TrainConfig;

use super::Probed;

/// Settings of a sequence.
#[derive(Clone, Debug)]
pub struct SequenceConfig {
    /// Settings of the training loop.
    pub train: TrainConfig,
    /// Which scores are measured.
    pub scoring: Scoring,
    /// How the answers to tasks with fixed labels are chosen.
    pub label_scores: LabelScores,
    /// Questions per batch, at least 1.
    pub evaluation_batch: usize,
    /// How answers are generated.
    pub decoding: Decoding,
    /// Seed of the order of the rows.
    pub seed: u64,
    /// Number of tasks that were learned in an earlier sequence, whose state the method took over
    /// ([`Method::take_over`](crate::Method::take_over)): the first task counts on from there.
    pub learned_before: usize,
}

/// Result of a sequence.
#[derive(Clone, Debug)]
pub struct SequenceOutcome<M> {
    /// The model after the last task; for independent models, the model of the last task.
    pub model: M,
    /// How the method went through the tasks.
    pub protocol: Protocol,
    /// All measured scores. For independent models, the last row holds the score of each model on
    /// its own task.
    pub matrix: ResultMatrix,
    /// The scores by the likelihood of the labels, beside those of generated answers, for tasks with labels; `None` unless
    /// [`LabelScores::Beside`] is set.
    pub label_matrix: Option<ResultMatrix>,
    /// The tasks whose scores in [`matrix`](Self::matrix) are by the likelihood of the labels.
    pub by_likelihood: Vec<String>,
    /// The answers to every task's questions in the end: by the model after the last task, or by the
    /// task's own if models are independent; `None` if they were not asked.
    pub answers: Vec<Option<AnswerScores>>,
    /// Scores of the general-knowledge probe before the first and after the last task.
    pub general: Option<(f64, f64)>,
    /// What the probe found after every stage that it measures.
    pub probed: Vec<Probed>,
    /// The method's report on each task.
    pub diagnostics: Vec<TaskDiagnostics>,
    /// The cost of the method over all tasks.
    pub seconds: Seconds,
}
