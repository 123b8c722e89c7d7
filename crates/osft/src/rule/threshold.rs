//! Directions whose energy is above a multiple of the smallest one.

use toml::Value;

use super::{LayerFacts, Rule, RuleKind, ShareRule};
use crate::error::OsftError;

/// Rounding of the energies of a moment whose sums are in f32, relative to the largest one. A direction below
/// it has no measured energy, and must not decide for the others.
const ROUNDING: f64 = 1.0 / (1 << 24) as f64;

#[derive(Debug)]
struct Threshold(f64);

pub(super) fn kind() -> RuleKind {
    RuleKind::new(
        "threshold",
        "Directions whose energy is above this multiple of the smallest one, as in Adam-NSCL.",
        Threshold,
    )
}

impl ShareRule {
    /// All directions but those whose energy is at most `threshold` times the smallest one; at least 1. The
    /// smallest energy counts as at least 2⁻²⁴ of the largest one, the rounding of a moment in f32. If a
    /// sketch lacks directions, the smallest energy is that value.
    ///
    /// # References
    ///
    /// Wang et al., "Training Networks in Null Space of Feature Covariance for Continual Learning", CVPR
    /// 2021: thresholds of 10 and 30.
    pub fn threshold(threshold: f64) -> Self {
        Self::custom(Threshold(threshold))
    }
}

impl Rule for Threshold {
    fn name(&self) -> &'static str {
        "threshold"
    }

    fn setting(&self) -> Option<Value> {
        Some(Value::Float(self.0))
    }

    fn protected_directions(&self, layer: &LayerFacts<'_>) -> usize {
        let Some(largest) = layer.energies.first() else {
            return 0;
        };
        let smallest = match layer.energies.len() < layer.directions {
            true => 0.0,
            false => layer.energies[layer.energies.len() - 1],
        };
        let limit = self.0 * smallest.max(ROUNDING * largest);
        let above = layer.energies.iter().take_while(|energy| **energy > limit);
        above.count()
    }

    fn label(&self) -> String {
        format!("threshold {}", self.0)
    }

    fn validate(&self) -> Result<(), OsftError> {
        match self.0.is_finite() && self.0 >= 1.0 {
            true => Ok(()),
            false => Err(OsftError::InvalidThreshold { threshold: self.0 }),
        }
    }

    fn follows_tasks(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rule::tests::facts;

    proptest! {
        #[test]
        fn the_free_directions_are_those_of_the_published_formula(
            mut energies in prop::collection::vec(1e-3_f64..10.0, 1..30),
            threshold in 1.0_f64..40.0,
        ) {
            energies.sort_by(|a, b| b.total_cmp(a));
            let smallest = energies[energies.len() - 1];
            let free = energies.iter().filter(|energy| **energy <= smallest * threshold).count();
            let found = Threshold(threshold).protected_directions(&facts(&energies));
            prop_assert_eq!(found, energies.len() - free);
            prop_assert!(free >= 1);
        }
    }

    #[test]
    fn directions_below_rounding_do_not_decide_for_the_others() {
        // Without the floor, only the last direction would be free.
        let energies = [1.0, 1e-3, 1e-9, 1e-13];
        let protected = |threshold| Threshold(threshold).protected_directions(&facts(&energies));
        assert_eq!(protected(10.0), 2);
        assert_eq!(Threshold(10.0).protected_directions(&facts(&[0.0; 3])), 0);
        assert_eq!(Threshold(10.0).protected_directions(&facts(&[])), 0);
        let sketched = LayerFacts {
            directions: 9,
            ..facts(&energies[..2])
        };
        assert_eq!(Threshold(10.0).protected_directions(&sketched), 2);
    }

    #[test]
    fn a_threshold_below_one_is_an_error() {
        for threshold in [0.9, f64::NAN, f64::INFINITY] {
            assert!(matches!(
                Threshold(threshold).validate(),
                Err(OsftError::InvalidThreshold { .. })
            ));
        }
    }
}
