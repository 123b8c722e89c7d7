//! As many directions as the effective rank of the spectrum.

use toml::Value;

use super::{LayerFacts, Rule, RuleKind, ShareRule};

/// # References
///
/// Roy and Vetterli, "The effective rank: a measure of effective dimensionality", EUSIPCO 2007.
#[derive(Debug)]
struct EffectiveRank;

pub(super) fn kind() -> RuleKind {
    RuleKind::without_setting(
        "effective_rank",
        "As many directions as the spectrum has effectively, by its entropy.",
        || EffectiveRank,
    )
    .typed(&["effective-rank"], "`effective-rank`", |text: &str| {
        Ok((text == "effective-rank").then_some(EffectiveRank))
    })
}

impl ShareRule {
    /// As many directions as the effective rank of the spectrum: `exp` of the entropy of its normalized
    /// singular values, rounded up.
    ///
    /// # References
    ///
    /// Roy and Vetterli, "The effective rank: a measure of effective dimensionality", EUSIPCO 2007.
    pub fn effective_rank() -> Self {
        Self::custom(EffectiveRank)
    }
}

impl Rule for EffectiveRank {
    fn name(&self) -> &'static str {
        "effective_rank"
    }

    fn setting(&self) -> Option<Value> {
        None
    }

    fn protected_directions(&self, layer: &LayerFacts<'_>) -> usize {
        // A direction that does not exist still has the squared rounding error of f32 as its energy.
        let largest = layer
            .energies
            .iter()
            .fold(0.0_f64, |largest, e| largest.max(*e));
        let exists = |energy: &&f64| **energy > largest * 1e-13;
        let energies = layer.energies.iter().filter(exists);
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

    fn label(&self) -> String {
        "effective rank".to_string()
    }

    fn follows_tasks(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::tests::facts;

    #[test]
    fn the_effective_rank_counts_equal_directions() {
        let rank = |energies: &[f64]| EffectiveRank.protected_directions(&facts(energies));
        assert_eq!(rank(&[9.0; 7]), 7);
        assert_eq!(rank(&[4.0, 4.0, 0.0, 0.0]), 2);
        assert_eq!(rank(&[0.0; 3]), 0);
        assert_eq!(rank(&[1.0]), 1);
    }
}
