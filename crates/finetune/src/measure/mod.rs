//! What a model knows before and after a task: losses, answers, and how far the two models are apart.

mod answers;
mod change;
mod loss;

use serde::{Deserialize, Serialize};

pub use answers::ExactResult;
pub use change::{WeightChange, kl_divergence, weight_change};
pub use loss::token_loss;

/// The measurements of one model on one set of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SetMeasure {
    /// Mean negative log-likelihood per answer token, in nats.
    pub loss: f64,
    /// Number of tokens in the mean.
    pub tokens: usize,
    /// Share of the questions that are answered exactly, in percent; `None` if none was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<f64>,
    /// Mean ROUGE-L of the answers, in percent; `None` if no question was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rouge_l: Option<f64>,
    /// Number of questions.
    #[serde(default)]
    pub questions: usize,
}

/// The measurements before and after a task on one set of rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SetChange {
    /// Name of the set: of a task, or of a text.
    pub name: String,
    /// By the model that the task started from.
    pub before: SetMeasure,
    /// By the trained model.
    pub after: SetMeasure,
}
