//! The fewest directions that carry a fraction of the energy.

use toml::Value;

use super::{LayerFacts, Rule, RuleKind, ShareRule, check_shares};
use crate::error::OsftError;

#[derive(Debug)]
struct Energy(f64);

pub(super) fn kind() -> RuleKind {
    RuleKind::new(
        "energy",
        "As few directions as hold this fraction, from 0 to 1, of the spectrum's energy.",
        Energy,
    )
}

impl ShareRule {
    /// The fewest directions that carry this fraction, in `[0, 1]`, of the spectrum's energy: of the squared
    /// singular values, or of the inputs' second moment.
    pub fn energy(share: f64) -> Self {
        Self::custom(Energy(share))
    }
}

impl Rule for Energy {
    fn name(&self) -> &'static str {
        "energy"
    }

    fn setting(&self) -> Option<Value> {
        Some(Value::Float(self.0))
    }

    fn protected_directions(&self, layer: &LayerFacts<'_>) -> usize {
        layer.carrying(self.0)
    }

    fn label(&self) -> String {
        format!("energy {}", self.0)
    }

    fn validate(&self) -> Result<(), OsftError> {
        check_shares(&[self.0])
    }

    fn follows_tasks(&self) -> bool {
        false
    }

    fn wanted_energy(&self, _layer: &LayerFacts<'_>) -> Option<f64> {
        Some(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::tests::facts;

    #[test]
    fn energy_takes_the_fewest_directions_that_carry_it() {
        let energies = [4.0, 3.0, 2.0, 1.0, 0.0];
        for (energy, expected) in [(0.0, 0), (0.4, 1), (0.41, 2), (0.9, 3), (1.0, 4)] {
            let found = Energy(energy).protected_directions(&facts(&energies));
            assert_eq!(found, expected, "{energy}");
        }
        // If only the largest directions are known, no others can be protected.
        let sketched = LayerFacts {
            directions: 9,
            total_energy: 100.0,
            ..facts(&energies)
        };
        assert_eq!(Energy(0.99).protected_directions(&sketched), 5);
        assert_eq!(Energy(0.5).protected_directions(&facts(&[0.0; 3])), 0);
    }
}
