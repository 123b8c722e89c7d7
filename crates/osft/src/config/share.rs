//! How many directions of a layer are protected.

use serde::{Deserialize, Serialize};

use crate::error::OsftError;
use crate::importance_measure::ImportanceMeasure;

/// Rule for the number of protected directions of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShareRule {
    /// The same fraction of directions, in `[0, 1]`, in every layer.
    Fixed(f64),
    /// The same number of directions in every layer; at most as many as it has.
    Count(usize),
    /// The paper's rule: `min + importance · (max - min)`, clamped to `[0, 1]`. Needs calibration.
    Adaptive(AdaptiveShare),
    /// As few directions as hold this fraction, in `[0, 1]`, of the spectrum's energy: of the
    /// squared singular values, or of the inputs' second moment.
    Energy(f64),
    /// As many directions as the spectrum has effectively: `exp` of the entropy of its normalized
    /// singular values, rounded up.
    EffectiveRank,
    /// A fixed fraction that goes in a straight line from the first task to the last.
    Schedule(ShareSchedule),
}

/// Parameters of [`ShareRule::Adaptive`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdaptiveShare {
    /// Share of a layer without importance, in `[0, 1]`: the paper's `mrr`.
    pub min: f64,
    /// Share of a layer of mean importance, in `[0, 1]`: the paper's `trr`.
    pub max: f64,
    /// What a layer's importance is.
    pub importance: ImportanceMeasure,
}

impl Default for AdaptiveShare {
    /// The paper's values.
    fn default() -> Self {
        Self {
            min: 0.1,
            max: 0.8,
            importance: ImportanceMeasure::Cosine,
        }
    }
}

/// Parameters of [`ShareRule::Schedule`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareSchedule {
    /// Share on the first task, in `[0, 1]`.
    pub first: f64,
    /// Share on the last task, in `[0, 1]`.
    pub last: f64,
}

/// What a rule may look at beside its own numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerFacts<'a> {
    /// Number of directions that could be protected.
    pub directions: usize,
    /// Energy of the directions, descending; may end early where only the largest are known.
    pub energies: &'a [f64],
    /// Energy of all directions, known or not.
    pub total_energy: f64,
    /// Importance relative to the mean over layers.
    pub importance: Option<f64>,
    /// How far the sequence of tasks is, from 0 (the first one) to 1 (the last).
    pub progress: f64,
}

impl ShareRule {
    /// Checks the rule's own numbers.
    ///
    /// # Errors
    ///
    /// [`OsftError::ShareOutOfRange`] for the first one outside `[0, 1]`.
    pub fn validate(&self) -> Result<(), OsftError> {
        let shares: &[f64] = match self {
            Self::Fixed(share) | Self::Energy(share) => &[*share],
            Self::Adaptive(AdaptiveShare { min, max, .. }) => &[*min, *max],
            Self::Schedule(ShareSchedule { first, last }) => &[*first, *last],
            Self::Count(_) | Self::EffectiveRank => &[],
        };
        match shares.iter().find(|share| !(0.0..=1.0).contains(*share)) {
            Some(&share) => Err(OsftError::ShareOutOfRange { share }),
            None => Ok(()),
        }
    }

    /// Whether the number depends on a layer's spectrum, not on its size alone.
    pub fn needs_spectrum(&self) -> bool {
        matches!(self, Self::Energy(_) | Self::EffectiveRank)
    }

    /// The measure of the layers' importance that the number depends on, if it does.
    pub fn importance(&self) -> Option<ImportanceMeasure> {
        match self {
            Self::Adaptive(adaptive) => Some(adaptive.importance),
            _ => None,
        }
    }

    /// Number of directions protected in a layer.
    pub(crate) fn protected_directions(&self, facts: &LayerFacts<'_>) -> usize {
        let count = match *self {
            Self::Fixed(share) => floored(share, facts.directions),
            Self::Count(count) => count,
            Self::Adaptive(AdaptiveShare { min, max, .. }) => {
                let importance = facts.importance.unwrap_or(1.0);
                let share = (min + importance * (max - min)).clamp(0.0, 1.0);
                floored(share, facts.directions)
            }
            Self::Schedule(ShareSchedule { first, last }) => {
                floored(first + facts.progress * (last - first), facts.directions)
            }
            Self::Energy(energy) => fewest_holding(energy, facts),
            Self::EffectiveRank => effective_rank(facts),
        };
        count.min(facts.directions)
    }
}

/// `floor(share · r + 1e-6)`: the small term keeps a share such as `0.7 · 10`, which is `6.999…`
/// in binary, from losing a direction.
pub(crate) fn floored(share: f64, directions: usize) -> usize {
    ((share * directions as f64 + 1e-6).floor() as usize).min(directions)
}

/// Rounding of a sum of squares must not ask for one more direction.
const ENERGY_ROUNDING: f64 = 1e-12;

fn fewest_holding(energy: f64, facts: &LayerFacts<'_>) -> usize {
    let wanted = energy * facts.total_energy;
    let mut held = 0.0;
    let mut count = 0;
    while count < facts.energies.len() && held < wanted - ENERGY_ROUNDING * facts.total_energy {
        held += facts.energies[count];
        count += 1;
    }
    count
}

/// # References
///
/// Roy and Vetterli, "The effective rank: a measure of effective dimensionality", EUSIPCO 2007.
fn effective_rank(facts: &LayerFacts<'_>) -> usize {
    // What is left of a direction that does not exist is the rounding of f32, squared.
    let largest = facts
        .energies
        .iter()
        .fold(0.0_f64, |largest, e| largest.max(*e));
    let exists = |energy: &&f64| **energy > largest * 1e-13;
    let energies = facts.energies.iter().filter(exists);
    let values: Vec<f64> = energies.map(|energy| energy.sqrt()).collect();
    let total: f64 = values.iter().sum();
    if total <= 0.0 {
        return 0;
    }
    let entropy: f64 = values
        .iter()
        .map(|value| value / total)
        .filter(|&share| share > 0.0)
        .map(|share| -share * share.ln())
        .sum();
    // A flat spectrum's entropy is ln(r) up to rounding, which must not be rounded up to r + 1.
    (entropy.exp() - 1e-9).ceil() as usize
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn facts(energies: &[f64]) -> LayerFacts<'_> {
        LayerFacts {
            directions: energies.len(),
            energies,
            total_energy: energies.iter().sum(),
            importance: None,
            progress: 0.0,
        }
    }

    #[test]
    fn a_share_is_floored_without_losing_a_direction_to_binary_rounding() {
        let cases = [
            (0.0, 10, 0),
            (0.7, 10, 7),
            (0.8, 576, 460),
            (0.5, 1, 0),
            (1.0, 7, 7),
        ];
        for (share, r, expected) in cases {
            let found = ShareRule::Fixed(share).protected_directions(&facts(&vec![1.0; r]));
            assert_eq!(found, expected, "share {share} of {r}");
        }
    }

    #[test]
    fn numbers_outside_the_unit_interval_are_errors() {
        for share in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let rules = [
                ShareRule::Fixed(share),
                ShareRule::Energy(share),
                ShareRule::Adaptive(AdaptiveShare {
                    max: share,
                    ..AdaptiveShare::default()
                }),
                ShareRule::Schedule(ShareSchedule {
                    first: share,
                    last: 0.5,
                }),
            ];
            for rule in rules {
                assert!(matches!(
                    rule.validate(),
                    Err(OsftError::ShareOutOfRange { .. })
                ));
            }
        }
    }

    #[test]
    fn the_adaptive_share_follows_importance_and_is_clamped() {
        let rule = ShareRule::Adaptive(AdaptiveShare::default());
        let energies = [1.0; 10];
        for (importance, expected) in [(0.0, 1), (0.5, 4), (1.0, 8), (1.2, 9), (2.0, 10)] {
            let facts = LayerFacts {
                importance: Some(importance),
                ..facts(&energies)
            };
            assert_eq!(rule.protected_directions(&facts), expected, "{importance}");
        }
    }

    #[test]
    fn energy_takes_the_fewest_directions_that_hold_it() {
        let energies = [4.0, 3.0, 2.0, 1.0, 0.0];
        for (energy, expected) in [(0.0, 0), (0.4, 1), (0.41, 2), (0.9, 3), (1.0, 4)] {
            let found = ShareRule::Energy(energy).protected_directions(&facts(&energies));
            assert_eq!(found, expected, "{energy}");
        }
        // Where only the largest directions are known, no more than those can be protected.
        let known = LayerFacts {
            directions: 9,
            total_energy: 100.0,
            ..facts(&energies)
        };
        assert_eq!(ShareRule::Energy(0.99).protected_directions(&known), 5);
        assert_eq!(
            ShareRule::Energy(0.5).protected_directions(&facts(&[0.0; 3])),
            0
        );
    }

    #[test]
    fn the_effective_rank_counts_equal_directions() {
        let rank =
            |energies: &[f64]| ShareRule::EffectiveRank.protected_directions(&facts(energies));
        assert_eq!(rank(&[9.0; 7]), 7);
        assert_eq!(rank(&[4.0, 4.0, 0.0, 0.0]), 2);
        assert_eq!(rank(&[0.0; 3]), 0);
        assert_eq!(rank(&[1.0]), 1);
    }

    #[test]
    fn a_schedule_runs_from_the_first_task_to_the_last() {
        let rule = ShareRule::Schedule(ShareSchedule {
            first: 0.0,
            last: 0.8,
        });
        let energies = [1.0; 10];
        for (progress, expected) in [(0.0, 0), (0.5, 4), (1.0, 8)] {
            let facts = LayerFacts {
                progress,
                ..facts(&energies)
            };
            assert_eq!(rule.protected_directions(&facts), expected);
        }
    }
}
