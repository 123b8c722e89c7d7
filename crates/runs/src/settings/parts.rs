//! Parts of the settings: scoring, flaws, decoding, checkpoints, calibration.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::ValueEnum;
use continual::Scoring;
use lm::Decoding;
use serde::{Deserialize, Serialize};

/// Which scores are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScoringName {
    /// The scores that AA, BWT, FWT and forgetting need.
    Needed,
    /// Only the scores that AA and BWT need.
    Final,
    /// Every task after every task.
    Full,
    /// None: for tasks of one's own, which are measured in another way.
    #[value(skip)]
    Nothing,
}

impl From<ScoringName> for Scoring {
    fn from(name: ScoringName) -> Self {
        match name {
            ScoringName::Needed => Self::Needed,
            ScoringName::Final => Self::Final,
            ScoringName::Full => Self::Full,
            ScoringName::Nothing => Self::Nothing,
        }
    }
}

/// How flaws of the data are handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlawsName {
    /// Removes test rows from the training and validation rows, and validation rows from the
    /// training rows.
    Repair,
    /// Uses the rows as they are, as published scores did.
    Keep,
}

/// Which questions of a suite's probe of general knowledge are asked: settings that were chosen on one half can be
/// reported on the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GeneralRows {
    /// All of them.
    #[default]
    All,
    /// The first, the third, …
    Odd,
    /// The second, the fourth, …
    Even,
}

impl GeneralRows {
    /// Whether they are all.
    pub fn is_all(&self) -> bool {
        *self == Self::All
    }

    /// Whether the question at this index, from 0, is asked.
    pub fn asks(self, index: usize) -> bool {
        match self {
            Self::All => true,
            Self::Odd => index.is_multiple_of(2),
            Self::Even => !index.is_multiple_of(2),
        }
    }
}

/// How answers are generated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecodingConfig {
    /// Softmax temperature, 0 or above; 0 always takes the most likely token.
    pub temperature: f64,
    /// Seed of the sampling.
    pub seed: u64,
}

impl DecodingConfig {
    /// Converts the settings for generation.
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

/// When checkpoints are saved, so that `--resume` can resume the run; a checkpoint is always saved
/// after a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointConfig {
    /// Minutes between two checkpoints within a task; 0 uses the steps only.
    pub every_minutes: f64,
    /// Steps between two checkpoints within a task; 0 uses the minutes only.
    pub every_steps: usize,
    /// Number of checkpoints that are kept, at least 1; a run goes on from the latest.
    #[serde(default = "one")]
    pub keep: usize,
}

fn one() -> usize {
    1
}

/// The rows of a task of one's own, as `osft finetune` reads them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RowsConfig {
    /// Name of the task.
    pub task: String,
    /// Files, each with its weight after a colon if it has one.
    pub files: Vec<String>,
    /// A file of validation rows, or the share of the rows that is held out.
    pub valid: String,
    /// Number of validation rows whose answers are generated before and after; the first are taken.
    pub questions: usize,
    /// Longest answer that is generated, in tokens.
    pub max_new_tokens: usize,
    /// Text after which the result of an answer stands; empty if the whole answer counts.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub answer_after: String,
    /// Text files whose loss is measured before and after.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<PathBuf>,
    /// The day that chat templates write, as YEAR-MONTH-DAY.
    pub today: String,
    /// Precision of the exported weights; that of the model if empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub dtype: String,
    /// What is exported: `model`, or `adapter` for the change alone; a model if empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub format: String,
}

/// Suites of general ability that are measured before and after training, and after every task if so asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SuitesConfig {
    /// Names of suites, `auto`, or files of one's own; nothing is measured if empty.
    pub names: Vec<String>,
    /// How prompts are written and scored: `trace` or `lm-eval`.
    pub protocol: String,
    /// Folder of the suites' rows and examples.
    pub folder: PathBuf,
    /// Maximum number of rows of each group; the first are used, and 0 takes all.
    pub limit: usize,
    /// Whether the suites that need no generated text are also measured after every task but the last.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub after_every_task: bool,
    /// Maximum number of rows of each group between tasks; 0 takes as many as in the end.
    #[serde(skip_serializing_if = "super::calibration::is_zero")]
    pub limit_between: usize,
    /// Longest answer to a question of one's own, in tokens.
    pub max_new_tokens: usize,
}

impl Default for SuitesConfig {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            protocol: "lm-eval".to_string(),
            folder: PathBuf::from("general"),
            limit: 0,
            after_every_task: false,
            limit_between: 0,
            max_new_tokens: 256,
        }
    }
}

impl SuitesConfig {
    /// Refuses suites where nothing would measure them.
    ///
    /// # Errors
    ///
    /// If a suite is named.
    pub fn unused_by(&self, what: &str) -> Result<()> {
        ensure!(
            self.names.is_empty(),
            "{what} measures no suites of general ability ({}): name them for `trace`, `t5` or `compare`",
            self.names.join(", ")
        );
        Ok(())
    }

    /// Whether nothing is measured, and nothing is set.
    pub fn is_off(&self) -> bool {
        *self == Self::default()
    }
}
