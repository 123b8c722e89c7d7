//! Settings of the rows that stand for what is to be retained.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use continual::SampleSize;
use continual::method::CalibrationUse;
use serde::{Deserialize, Serialize};

use super::RunConfig;

/// The rows that OSFT calibrates on; test rows never belong to them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationConfig {
    /// What the base model's rows are; by default the lines of `text` if it is given, else `generated`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<BaseSample>,
    /// A text file that stands for the base model's knowledge, one text per line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<PathBuf>,
    /// A file of questions with answers that the base model is to keep, an object with `prompt` and `answer` per
    /// line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub questions: Option<PathBuf>,
    /// Number of rows of the base model's text; 0 turns calibration off, unless `base_total_tokens` asks for rows.
    pub base_rows: usize,
    /// Number of tokens of a generated row; maximum length of a row of a text file.
    pub base_tokens: usize,
    /// Number of tokens of all of the base model's rows together: the fewest rows that have so many, instead of
    /// `base_rows`; 0 takes `base_rows`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub base_total_tokens: usize,
    /// Number of a text's first tokens that the model continues.
    #[serde(default = "prefix_tokens", skip_serializing_if = "is_default_prefix")]
    pub prefix_tokens: usize,
    /// Weight of the base model's text among the sources, above 0; every learned task has weight 1.
    pub base_weight: f64,
    /// Number of training rows of every learned task; 0 takes all.
    pub rows_per_task: usize,
    /// Whether the measured moments are saved with the run; every layer needs `8 d_in²` bytes.
    pub save: bool,
    /// Whether it is measured if the rows are enough: what a split from half of them leaves free of the other
    /// half. It takes about one and a half passes more over the rows.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub held_out: bool,
}

/// What the rows are that stand for the base model's knowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BaseSample {
    /// Text that the model generates behind a random first token.
    Generated,
    /// Text that the model generates behind the first `prefix_tokens` tokens of real texts: lines of `text` or,
    /// without it, prompts of the tasks' training rows.
    Continued,
    /// Lines of `text` as they are.
    Text,
    /// Rows of `questions`, with their answers.
    Questions,
}

/// `prefix_tokens` unless another number is set.
const PREFIX_TOKENS: usize = 8;

fn prefix_tokens() -> usize {
    PREFIX_TOKENS
}

// The signatures that serde asks for.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_default_prefix(tokens: &usize) -> bool {
    *tokens == PREFIX_TOKENS
}

#[allow(clippy::trivially_copy_pass_by_ref)]
pub(super) fn is_zero(number: &usize) -> bool {
    *number == 0
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_yes(value: &bool) -> bool {
    *value
}

impl CalibrationConfig {
    /// What the base model's rows are.
    pub fn sample(&self) -> BaseSample {
        self.base.unwrap_or(match self.text {
            Some(_) => BaseSample::Text,
            None => BaseSample::Generated,
        })
    }

    /// How many rows stand for the base model's knowledge.
    pub fn size(&self) -> SampleSize {
        match self.base_total_tokens {
            0 => SampleSize::Rows(self.base_rows),
            tokens => SampleSize::Tokens(tokens),
        }
    }

    /// Whether any rows stand for the base model's knowledge.
    pub fn has_base(&self) -> bool {
        self.base_rows > 0 || self.base_total_tokens > 0
    }

    /// Whether the model generates the rows or a part of them.
    pub fn generates(&self) -> bool {
        matches!(self.sample(), BaseSample::Generated | BaseSample::Continued)
    }

    /// The file that the rows are read from, if there is one.
    pub fn file(&self) -> Option<&Path> {
        self.text.as_deref().or(self.questions.as_deref())
    }

    /// Checks the range of every setting, and settings that depend on each other.
    pub(super) fn validate(&self) -> Result<()> {
        ensure!(
            self.base_weight > 0.0 && self.base_weight.is_finite(),
            "calibration.base_weight = {} must be above 0",
            self.base_weight
        );
        ensure!(
            self.base_tokens > 0,
            "calibration.base_tokens must be at least 1"
        );
        let (sample, base) = (self.sample(), self.base);
        ensure!(
            sample != BaseSample::Text || self.text.is_some(),
            "calibration.base = \"text\" needs the file calibration.text"
        );
        ensure!(
            sample != BaseSample::Questions || self.questions.is_some(),
            "calibration.base = \"questions\" needs the file calibration.questions"
        );
        ensure!(
            self.text.is_none() || matches!(sample, BaseSample::Text | BaseSample::Continued),
            "calibration.text is not read with calibration.base = {:?}: leave one of them out",
            base.map_or("", BaseSample::name)
        );
        ensure!(
            self.questions.is_none() || sample == BaseSample::Questions,
            "calibration.questions is not read without calibration.base = \"questions\""
        );
        ensure!(
            self.prefix_tokens == PREFIX_TOKENS || sample == BaseSample::Continued,
            "calibration.prefix_tokens is not read without calibration.base = \"continued\""
        );
        ensure!(
            sample != BaseSample::Continued || (1..self.base_tokens).contains(&self.prefix_tokens),
            "calibration.prefix_tokens = {} must be at least 1 and below calibration.base_tokens = {}, so that the \
             model has something to continue and to add",
            self.prefix_tokens,
            self.base_tokens
        );
        Ok(())
    }
}

impl BaseSample {
    /// Name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Generated => "generated",
            Self::Continued => "continued",
            Self::Text => "text",
            Self::Questions => "questions",
        }
    }
}

impl RunConfig {
    /// Whether any method needs calibration data: rows of the tasks, of the base model, or both.
    pub fn reads_calibration(&self) -> bool {
        let mut methods = self.compare.iter();
        let of_tasks = |method: &String| self.calibration_use(method) == CalibrationUse::OfTasks;
        self.reads_base_rows() || methods.any(of_tasks)
    }

    /// Whether any method needs rows that stand for what the base model knows.
    pub fn reads_base_rows(&self) -> bool {
        let mut methods = self.compare.iter();
        self.calibration.has_base()
            && methods.any(|method| self.calibration_use(method).reads_base_rows())
    }
}
