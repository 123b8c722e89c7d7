//! Parts of the settings: names of scorings, and what is measured.

use std::path::PathBuf;

use clap::ValueEnum;
use continual::Scoring;
use lm::Decoding;
use serde::{Deserialize, Serialize};

/// Which scores are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScoringName {
    /// What AA, BWT, FWT and forgetting need.
    Needed,
    /// Only what AA and BWT need.
    Final,
    /// Every task after every task.
    Full,
}

impl From<ScoringName> for Scoring {
    fn from(name: ScoringName) -> Self {
        match name {
            ScoringName::Needed => Self::Needed,
            ScoringName::Final => Self::Final,
            ScoringName::Full => Self::Full,
        }
    }
}

/// What is done about flaws of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlawsName {
    /// Test rows are neither trained nor tuned on, and validation rows are not trained on.
    Repair,
    /// The rows are used as they are: what published numbers were measured with.
    Keep,
}

/// How answers are generated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecodingConfig {
    /// Temperature of the softmax that tokens are drawn from; 0 always takes the likeliest one.
    pub temperature: f64,
    /// Seed of the draws.
    pub seed: u64,
}

impl DecodingConfig {
    /// As generation asks for it.
    pub fn decoding(&self) -> Decoding {
        if self.temperature == 0.0 {
            return Decoding::Greedy;
        }
        Decoding::Sample {
            temperature: self.temperature,
            top_k: 0,
            top_p: 1.0,
            seed: self.seed,
        }
    }
}

/// When a run is saved so that `--resume` goes on with it; it always is after a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointConfig {
    /// Minutes between two checkpoints while a task is learned.
    pub every_minutes: f64,
    /// Steps between two checkpoints while a task is learned; 0 goes by the minutes alone.
    pub every_steps: usize,
}

/// What OSFT measures the inputs of the layers on. Test rows never belong to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationConfig {
    /// Text file that stands for what the base model knows, one text per line; text that the model
    /// generates itself if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<PathBuf>,
    /// Rows of the base model's text; 0 measures nothing.
    pub base_rows: usize,
    /// Tokens of a generated row; longest row of a text file.
    pub base_tokens: usize,
    /// Weight of the base model's text among the sources, each learned task having weight 1.
    pub base_weight: f64,
    /// Training rows of every learned task; 0 takes all.
    pub rows_per_task: usize,
    /// Whether what was measured is saved with the run; its size is that of the layers' second
    /// moments, `8 d_in²` bytes each.
    pub save: bool,
}
