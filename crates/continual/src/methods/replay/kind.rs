//! Experience replay in the registry, and its settings.

use lm::LanguageModel;
use serde::{Deserialize, Serialize};
use toml::Value;

use super::Replay;
use crate::error::ContinualError;
use crate::method::{Flag, KindVariant, Method, MethodInputs, MethodKind};
use crate::methods::settings::check;

/// Settings of [`Replay`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayConfig {
    /// Share of every task's rows that is kept, above 0, at most 1; at least one row is.
    pub share: f64,
    /// Most rows that are kept of all tasks together, in equal parts but at least one each; 0 sets no limit.
    pub most_rows: usize,
}

impl Default for ReplayConfig {
    /// Two percent: what replay methods for language models are mostly compared at. TRACE keeps 10 %.
    fn default() -> Self {
        Self {
            share: 0.02,
            most_rows: 0,
        }
    }
}

impl ReplayConfig {
    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`].
    pub fn validate(&self) -> Result<(), ContinualError> {
        let is_share = self.share > 0.0 && self.share <= 1.0;
        check(is_share, "share", self.share, "above 0, at most 1")
    }

    /// Number of rows drawn from a task with so many rows: its share, rounded to the nearest, and at least 1.
    pub(super) fn kept_of(&self, rows: usize) -> usize {
        let share = (self.share * rows as f64).round() as usize;
        share.max(1).min(rows)
    }

    /// Most rows that are kept of each of so many tasks.
    pub(super) fn most_per_task(&self, tasks: usize) -> usize {
        match self.most_rows {
            0 => usize::MAX,
            most => (most / tasks.max(1)).max(1),
        }
    }
}

/// Experience replay in the registry.
pub struct ReplayKind;

impl<M: LanguageModel + 'static> MethodKind<M> for ReplayKind {
    type Settings = ReplayConfig;

    fn name(&self) -> &str {
        "replay"
    }

    fn help(&self) -> &str {
        "Experience replay: every task also trains on kept rows of each earlier task"
    }

    fn defaults(&self) -> ReplayConfig {
        ReplayConfig::default()
    }

    fn checked(&self, settings: ReplayConfig) -> Result<ReplayConfig, ContinualError> {
        settings.validate()?;
        Ok(settings)
    }

    fn rows_per_task(&self, settings: &ReplayConfig, rows: &[usize]) -> Vec<usize> {
        let with_kept = |(place, own): (usize, &usize)| {
            let most = settings.most_per_task(place);
            let earlier = rows[..place].iter();
            let kept = earlier.map(|&rows| settings.kept_of(rows).min(most));
            own + kept.sum::<usize>()
        };
        rows.iter().enumerate().map(with_kept).collect()
    }

    fn label(&self, settings: &ReplayConfig) -> String {
        let most = match settings.most_rows {
            0 => String::new(),
            most => format!(" of at most {most} rows"),
        };
        format!("replay {}{most}", settings.share)
    }

    fn flags(&self) -> Vec<Flag> {
        let flag = Flag::new(
            "replay-share",
            "SHARE",
            "share",
            "Share of every task's rows that later tasks train on again, above 0, at most 1 [default: 0.02]",
            |text| match text.parse::<f64>() {
                Ok(share) => Ok(Value::from(share)),
                Err(_) => Err(format!(
                    "expected a number above 0, at most 1, found {text:?}"
                )),
            },
        );
        vec![flag]
    }

    /// None: a step costs as much as one of sequential fine-tuning, there are more of them.
    fn variants(&self) -> Vec<KindVariant> {
        Vec::new()
    }

    fn build(
        &self,
        settings: ReplayConfig,
        inputs: MethodInputs<'_>,
    ) -> Result<Box<dyn Method<M>>, ContinualError> {
        let method = Replay::new(settings, inputs.seed)?;
        Ok(Box::new(match inputs.vocabulary {
            Some(vocabulary) => method.with_vocabulary(vocabulary.embeddings),
            None => method,
        }))
    }
}
