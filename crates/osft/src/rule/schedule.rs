//! A fraction of the directions that changes over the tasks.

use serde::{Deserialize, Serialize};
use toml::Value;

use super::{LayerFacts, Rule, RuleKind, ShareRule, check_shares};
use crate::error::OsftError;

/// Parameters of [`ShareRule::schedule`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareSchedule {
    /// Share on the first task, in `[0, 1]`.
    pub first: f64,
    /// Share on the last task, in `[0, 1]`.
    pub last: f64,
}

pub(super) fn kind() -> RuleKind {
    RuleKind::new(
        "schedule",
        "A fixed fraction that goes in a straight line from the first task to the last.",
        |schedule: ShareSchedule| schedule,
    )
    .typed(&["FIRST..LAST"], "FIRST..LAST over the tasks", typed)
}

fn typed(text: &str) -> Result<Option<ShareSchedule>, String> {
    let Some((first, last)) = text.split_once("..") else {
        return Ok(None);
    };
    let number = |text: &str| text.parse::<f64>().map_err(|_| text.to_string());
    Ok(Some(ShareSchedule {
        first: number(first)?,
        last: number(last)?,
    }))
}

impl ShareRule {
    /// A share that changes linearly from the first task to the last.
    pub fn schedule(schedule: ShareSchedule) -> Self {
        Self::custom(schedule)
    }
}

impl Rule for ShareSchedule {
    fn name(&self) -> &'static str {
        "schedule"
    }

    fn setting(&self) -> Option<Value> {
        // A table of numbers can always be converted.
        Value::try_from(self).ok()
    }

    fn protected_directions(&self, layer: &LayerFacts<'_>) -> usize {
        layer.floored(self.first + layer.progress * (self.last - self.first))
    }

    fn label(&self) -> String {
        format!("{}..{}", self.first, self.last)
    }

    fn validate(&self) -> Result<(), OsftError> {
        check_shares(&[self.first, self.last])
    }

    fn needs_spectrum(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::tests::facts;

    #[test]
    fn a_schedule_runs_from_the_first_task_to_the_last() {
        let rule = ShareSchedule {
            first: 0.0,
            last: 0.8,
        };
        let energies = [1.0; 10];
        for (progress, expected) in [(0.0, 0), (0.5, 4), (1.0, 8)] {
            let layer = LayerFacts {
                progress,
                ..facts(&energies)
            };
            assert_eq!(rule.protected_directions(&layer), expected);
        }
    }
}
