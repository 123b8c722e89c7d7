//! The paper's rule: the more important a layer, the more of it is protected.

use serde::{Deserialize, Serialize};
use toml::Value;

use super::{LayerFacts, Rule, RuleKind, ShareRule, check_shares};
use crate::error::OsftError;
use crate::importance_measure::ImportanceMeasure;

/// Parameters of [`ShareRule::adaptive`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdaptiveShare {
    /// Share of a layer of importance 0, in `[0, 1]`: the paper's `mrr`.
    pub min: f64,
    /// Share of a layer of mean importance, in `[0, 1]`: the paper's `trr`.
    pub max: f64,
    /// Measure of a layer's importance.
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

pub(super) fn kind() -> RuleKind {
    RuleKind::new(
        "adaptive",
        "The paper's rule: min + importance · (max - min) of the directions. Needs calibration.",
        |share: AdaptiveShare| share,
    )
    .typed(
        &["adaptive", "adaptive-cka"],
        "`adaptive` or `adaptive-cka` by the layers' importance",
        |text: &str| {
            let importance = match text {
                "adaptive" => ImportanceMeasure::Cosine,
                "adaptive-cka" => ImportanceMeasure::LinearCka,
                _ => return Ok(None),
            };
            Ok(Some(AdaptiveShare {
                importance,
                ..AdaptiveShare::default()
            }))
        },
    )
}

impl ShareRule {
    /// The paper's rule: `min + importance · (max - min)`, clamped to `[0, 1]`. Needs a calibration.
    ///
    /// # References
    ///
    /// arXiv 2504.07097, section 3.3.
    pub fn adaptive(share: AdaptiveShare) -> Self {
        Self::custom(share)
    }
}

impl Rule for AdaptiveShare {
    fn name(&self) -> &'static str {
        "adaptive"
    }

    fn setting(&self) -> Option<Value> {
        // A table of numbers and a string can always be converted.
        Value::try_from(self).ok()
    }

    fn protected_directions(&self, layer: &LayerFacts<'_>) -> usize {
        let importance = layer.importance.unwrap_or(1.0);
        let share = (self.min + importance * (self.max - self.min)).clamp(0.0, 1.0);
        layer.floored(share)
    }

    fn label(&self) -> String {
        match self.importance.name() {
            "cosine" => "adaptive".to_string(),
            "linear_cka" => "adaptive-cka".to_string(),
            other => format!("adaptive-{}", other.replace('_', "-")),
        }
    }

    fn validate(&self) -> Result<(), OsftError> {
        check_shares(&[self.min, self.max])
    }

    fn needs_spectrum(&self) -> bool {
        false
    }

    fn importance(&self) -> Option<ImportanceMeasure> {
        Some(self.importance)
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
    fn the_adaptive_share_follows_importance_and_is_clamped() {
        let energies = [1.0; 10];
        for (importance, expected) in [(0.0, 1), (0.5, 4), (1.0, 8), (1.2, 9), (2.0, 10)] {
            let layer = LayerFacts {
                importance: Some(importance),
                ..facts(&energies)
            };
            let found = AdaptiveShare::default().protected_directions(&layer);
            assert_eq!(found, expected, "{importance}");
        }
    }
}
