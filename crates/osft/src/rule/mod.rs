//! How many directions of a layer are protected: one file for each rule, and one list of all rules.
//!
//! A rule implements [`Rule`] and says in a [`RuleKind`] how settings name it, and what a person types for
//! it. [`ShareRules::builtin`] lists the rules of this crate; [`ShareRules::with`] adds one from outside.

mod adaptive;
mod count;
mod effective_rank;
mod energy;
mod fixed;
mod kind;
mod registry;
mod schedule;
mod settings;
mod share_rule;

use std::fmt::Debug;

use toml::Value;

pub use adaptive::AdaptiveShare;
pub use kind::RuleKind;
pub use registry::ShareRules;
pub use schedule::ShareSchedule;
pub use share_rule::ShareRule;

use crate::error::OsftError;
use crate::importance_measure::ImportanceMeasure;

/// A rule for the number of protected directions of a layer, with its own numbers.
///
/// [`name`](Self::name), [`setting`](Self::setting) and [`protected_directions`](Self::protected_directions)
/// make a rule. The defaults of the other methods are the cautious ones: the rule gets the whole spectrum,
/// and a [`SplitCache`](crate::SplitCache) keeps its splits apart by the position in the sequence of tasks. A
/// rule that reads less says so, which saves time and lets
/// [`Osft::held_numbers_of`](crate::Osft::held_numbers_of) answer without a split.
///
/// ```
/// use osft::{LayerFacts, OsftConfig, Rule, RuleKind, ShareRule, ShareRules};
/// use toml::Value;
///
/// /// All directions but some.
/// #[derive(Debug)]
/// struct AllBut(u32);
///
/// impl Rule for AllBut {
///     fn name(&self) -> &'static str {
///         "all_but"
///     }
///
///     fn setting(&self) -> Option<Value> {
///         Some(Value::from(self.0))
///     }
///
///     fn protected_directions(&self, layer: &LayerFacts<'_>) -> usize {
///         layer.directions.saturating_sub(self.0 as usize)
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let kind = RuleKind::new("all_but", "Protects all directions but some.", AllBut);
/// let rules = ShareRules::builtin().with(kind);
/// let settings = r#"targets = "linear_layers"
///                   protected_share = { all_but = 4 }"#;
/// let config = toml::from_str::<OsftConfig>(settings)?.with_rules(&rules)?;
/// assert_eq!(config.protected_share, ShareRule::custom(AllBut(4)));
/// # Ok(())
/// # }
/// ```
pub trait Rule: Debug + Send + Sync {
    /// Its name in settings, such as `energy`.
    fn name(&self) -> &'static str;

    /// All its numbers, as they stand in settings; `None` where it has none and the name says all. Two rules
    /// of one name with equal settings count as the same rule.
    fn setting(&self) -> Option<Value>;

    /// Number of directions that it protects in a layer. More than the layer has count as all of them.
    fn protected_directions(&self, layer: &LayerFacts<'_>) -> usize;

    /// Its name in reports.
    fn label(&self) -> String {
        match self.setting() {
            Some(setting) => format!("{} {setting}", self.name()),
            None => self.name().to_string(),
        }
    }

    /// Checks its own numbers.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with them, such as [`OsftError::ShareOutOfRange`].
    fn validate(&self) -> Result<(), OsftError> {
        Ok(())
    }

    /// Whether it reads [`LayerFacts::energies`] or [`LayerFacts::total_energy`].
    fn needs_spectrum(&self) -> bool {
        true
    }

    /// The measure behind [`LayerFacts::importance`], if it reads that. Such a rule needs calibration.
    fn importance(&self) -> Option<ImportanceMeasure> {
        None
    }

    /// Whether it reads [`LayerFacts::progress`], so that it changes over the tasks.
    fn follows_tasks(&self) -> bool {
        true
    }

    /// The number of directions that every layer must have, if it asks for one whatever the layer's size: a
    /// split of a smaller layer is an [`OsftError::TooManyDirections`].
    fn wanted_directions(&self) -> Option<usize> {
        None
    }

    /// The share of the energy, in `[0, 1]`, that it wants protected, if it asks for one: a split warns where
    /// a sketch of the inputs does not reach it.
    fn wanted_energy(&self) -> Option<f64> {
        None
    }
}

/// What a rule may read beside its own numbers.
#[derive(Clone, Copy, Debug)]
pub struct LayerFacts<'a> {
    /// Number of directions that could be protected.
    pub directions: usize,
    /// Energy of the directions, descending; may end early where only the largest are known, and be empty for
    /// a rule that needs no spectrum.
    pub energies: &'a [f64],
    /// Energy of all directions, also of those that [`energies`](Self::energies) leaves out.
    pub total_energy: f64,
    /// Importance relative to the mean over layers, for a rule that names a measure of it.
    pub importance: Option<f64>,
    /// Position in the sequence of tasks, from 0 (the first one) to 1 (the last).
    pub progress: f64,
}

impl LayerFacts<'_> {
    /// `floor(share · r + 1e-6)` of the layer's `r` directions: the small term keeps a share such as
    /// `0.7 · 10`, which is `6.999…` in binary, from losing a direction.
    pub fn floored(&self, share: f64) -> usize {
        ((share * self.directions as f64 + 1e-6).floor() as usize).min(self.directions)
    }
}

/// Number of directions that a rule protects in a layer, at most all of them.
pub(crate) fn protected_directions(rule: &dyn Rule, layer: &LayerFacts<'_>) -> usize {
    rule.protected_directions(layer).min(layer.directions)
}

/// Number of directions that a rule protects in every layer of a size; `None` where the size alone does not
/// decide it.
pub(crate) fn protected_by_size(rule: &dyn Rule, directions: usize) -> Option<usize> {
    let by_size = !rule.needs_spectrum() && rule.importance().is_none() && !rule.follows_tasks();
    by_size.then(|| {
        let layer = LayerFacts {
            directions,
            energies: &[],
            total_energy: 0.0,
            importance: None,
            progress: 0.0,
        };
        protected_directions(rule, &layer)
    })
}

/// # Errors
///
/// [`OsftError::ShareOutOfRange`] for the first one outside `[0, 1]`.
fn check_shares(shares: &[f64]) -> Result<(), OsftError> {
    match shares.iter().find(|share| !(0.0..=1.0).contains(*share)) {
        Some(&share) => Err(OsftError::ShareOutOfRange { share }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A layer whose directions all are known.
    pub(super) fn facts(energies: &[f64]) -> LayerFacts<'_> {
        LayerFacts {
            directions: energies.len(),
            energies,
            total_energy: energies.iter().sum(),
            importance: None,
            progress: 0.0,
        }
    }

    #[test]
    fn numbers_outside_the_unit_interval_are_errors() {
        for share in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let rules = [
                ShareRule::fixed(share),
                ShareRule::energy(share),
                ShareRule::adaptive(AdaptiveShare {
                    max: share,
                    ..AdaptiveShare::default()
                }),
                ShareRule::schedule(ShareSchedule {
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
    fn the_size_decides_for_rules_that_read_nothing_else() {
        let by_size = |rule: ShareRule| protected_by_size(rule.rule().ok()?.as_ref(), 10);
        assert_eq!(by_size(ShareRule::fixed(0.5)), Some(5));
        assert_eq!(by_size(ShareRule::count(3)), Some(3));
        assert_eq!(by_size(ShareRule::count(30)), Some(10));
        let (first, last) = (0.5, 0.5);
        for rule in [
            ShareRule::energy(0.5),
            ShareRule::effective_rank(),
            ShareRule::adaptive(AdaptiveShare::default()),
            ShareRule::schedule(ShareSchedule { first, last }),
        ] {
            assert_eq!(by_size(rule.clone()), None, "{rule:?}");
        }
    }
}
