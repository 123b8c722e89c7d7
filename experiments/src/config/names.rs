//! What settings are made of: names of methods and scorings, and what is measured.

use std::path::PathBuf;

use clap::ValueEnum;
use continual::Scoring;
use serde::{Deserialize, Serialize};

/// Continual-learning methods by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MethodName {
    /// Sequential fine-tuning of all parameters.
    Seqft,
    /// One low-rank adapter, trained through all tasks.
    Lora,
    /// A new low-rank adapter per task, kept orthogonal to those before it.
    OLora,
    /// Orthogonal Subspace Fine-Tuning as the paper splits: by the singular values of the weights.
    OsftPaper,
    /// Orthogonal Subspace Fine-Tuning as configured; by default the best split found here.
    Osft,
}

impl MethodName {
    /// Name in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seqft => "seqft",
            Self::Lora => "lora",
            Self::OLora => "o-lora",
            Self::OsftPaper => "osft-paper",
            Self::Osft => "osft",
        }
    }
}

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
