//! A fraction of the energy that grows from task to task.

use serde::{Deserialize, Serialize};
use toml::Value;

use super::{LayerFacts, Rule, RuleKind, ShareRule, check_shares};
use crate::error::OsftError;

/// Parameters of [`ShareRule::growing_energy`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrowingEnergy {
    /// Share of the energy on the first task, in `[0, 1]`.
    pub first: f64,
    /// What every further task adds to the share, in `[0, 1]`; the share does not exceed 1.
    pub per_task: f64,
}

pub(super) fn kind() -> RuleKind {
    RuleKind::new(
        "growing_energy",
        "As `energy`, with a fraction that grows by the same number with every task.",
        |energy: GrowingEnergy| energy,
    )
}

impl ShareRule {
    /// The fewest directions that carry `first + task · per_task` of the spectrum's energy.
    ///
    /// # References
    ///
    /// The threshold of Gradient Projection Memory in its published code: it grows by 0.003 with every task.
    pub fn growing_energy(energy: GrowingEnergy) -> Self {
        Self::custom(energy)
    }
}

impl GrowingEnergy {
    fn share(&self, layer: &LayerFacts<'_>) -> f64 {
        (self.first + layer.task as f64 * self.per_task).min(1.0)
    }
}

impl Rule for GrowingEnergy {
    fn name(&self) -> &'static str {
        "growing_energy"
    }

    fn setting(&self) -> Option<Value> {
        // A table of numbers can always be converted.
        Value::try_from(self).ok()
    }

    fn protected_directions(&self, layer: &LayerFacts<'_>) -> usize {
        layer.carrying(self.share(layer))
    }

    fn label(&self) -> String {
        match self.per_task {
            0.0 => format!("energy {}", self.first),
            growth => format!("energy {} + {growth} per task", self.first),
        }
    }

    fn validate(&self) -> Result<(), OsftError> {
        check_shares(&[self.first, self.per_task])
    }

    fn wanted_energy(&self, layer: &LayerFacts<'_>) -> Option<f64> {
        Some(self.share(layer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::tests::facts;

    #[test]
    fn the_share_grows_with_the_tasks_up_to_all_of_the_energy() {
        let rule = GrowingEnergy {
            first: 0.35,
            per_task: 0.3,
        };
        let energies = [4.0, 3.0, 2.0, 1.0];
        for (task, expected) in [(0, 1), (1, 2), (2, 4), (9, 4)] {
            let layer = LayerFacts {
                task,
                ..facts(&energies)
            };
            assert_eq!(rule.protected_directions(&layer), expected, "{task}");
        }
    }

    #[test]
    fn shares_outside_the_unit_interval_are_errors() {
        for (first, per_task) in [(1.1, 0.0), (0.5, -0.1), (f64::NAN, 0.0)] {
            let rule = GrowingEnergy { first, per_task };
            assert!(matches!(
                rule.validate(),
                Err(OsftError::ShareOutOfRange { .. })
            ));
        }
    }
}
