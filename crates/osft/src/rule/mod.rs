//! How many directions of a layer are protected: one file for each rule, and a registry of all rules.
//!
//! A rule implements [`Rule`]. Its [`RuleKind`] defines its name in settings and how it can be typed.
//! [`ShareRules::builtin`] lists the rules of this crate; [`ShareRules::with`] adds a custom one.

mod adaptive;
mod count;
mod effective_rank;
mod energy;
mod fixed;
mod growing_energy;
mod kind;
mod registry;
mod schedule;
mod settings;
mod share_rule;
mod threshold;

use std::fmt::Debug;

use toml::Value;

pub use adaptive::AdaptiveShare;
pub use growing_energy::GrowingEnergy;
pub use kind::RuleKind;
pub use registry::ShareRules;
pub use schedule::ShareSchedule;
pub use share_rule::ShareRule;

use crate::error::OsftError;
use crate::importance_measure::ImportanceMeasure;

/// A rule for the number of protected directions of a layer.
///
/// Only [`name`](Self::name), [`setting`](Self::setting) and
/// [`protected_directions`](Self::protected_directions) are required. The other methods have cautious
/// defaults: the rule gets the whole spectrum, and a [`SplitCache`](crate::SplitCache) stores separate splits
/// for every position in the sequence of tasks. A rule that reads less should override them. This saves time
/// and lets [`Osft::held_numbers_of`](crate::Osft::held_numbers_of) answer without a split.
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
    /// Name in settings, such as `energy`.
    fn name(&self) -> &'static str;

    /// All parameters of the rule, as settings write them; `None` if it has none, so that the name says
    /// everything. Two rules with the same name and equal settings are the same rule.
    fn setting(&self) -> Option<Value>;

    /// Number of directions that the rule protects in a layer. A number above the layer's own counts as all
    /// directions.
    fn protected_directions(&self, layer: &LayerFacts<'_>) -> usize;

    /// Name in reports.
    fn label(&self) -> String {
        match self.setting() {
            Some(setting) => format!("{} {setting}", self.name()),
            None => self.name().to_string(),
        }
    }

    /// Checks the parameters of the rule.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with the parameters, such as [`OsftError::ShareOutOfRange`].
    fn validate(&self) -> Result<(), OsftError> {
        Ok(())
    }

    /// Whether the rule reads [`LayerFacts::energies`] or [`LayerFacts::total_energy`].
    fn needs_spectrum(&self) -> bool {
        true
    }

    /// The measure behind [`LayerFacts::importance`], if the rule reads it. Such a rule needs a calibration.
    fn importance(&self) -> Option<ImportanceMeasure> {
        None
    }

    /// Whether the rule reads [`LayerFacts::progress`] or [`LayerFacts::task`], so that it changes from task to task.
    fn follows_tasks(&self) -> bool {
        true
    }

    /// The number of directions that every layer must have, if the rule asks for a fixed number. A split of a
    /// smaller layer is an [`OsftError::TooManyDirections`].
    fn wanted_directions(&self) -> Option<usize> {
        None
    }

    /// The share of the energy, in `[0, 1]`, that the rule wants to protect, if it asks for one. A split
    /// warns if a sketch of the inputs does not reach it, and a union of sources protects it for every source.
    fn wanted_energy(&self, _layer: &LayerFacts<'_>) -> Option<f64> {
        None
    }
}

/// The facts about a layer that a rule may read.
#[derive(Clone, Copy, Debug)]
pub struct LayerFacts<'a> {
    /// Number of directions that could be protected.
    pub directions: usize,
    /// Energy of the directions, descending. Incomplete if a sketch only has the largest ones; empty for a
    /// rule that needs no spectrum.
    pub energies: &'a [f64],
    /// Energy of all directions, including those that [`energies`](Self::energies) lacks.
    pub total_energy: f64,
    /// Importance relative to the mean over layers, if the rule reads a measure of it.
    pub importance: Option<f64>,
    /// Position in the sequence of tasks, from 0 (the first one) to 1 (the last).
    pub progress: f64,
    /// Index of the task, from 0: of the next task, or of the learned task whose inputs join a union.
    pub task: usize,
}

impl LayerFacts<'_> {
    /// The fewest directions that carry this share of the energy, in `[0, 1]`.
    pub(crate) fn carrying(&self, share: f64) -> usize {
        let wanted = share * self.total_energy;
        let mut sum = 0.0;
        let mut count = 0;
        while count < self.energies.len() && sum < wanted - ENERGY_ROUNDING * self.total_energy {
            sum += self.energies[count];
            count += 1;
        }
        count
    }

    /// `floor(share · r + 1e-6)` of the layer's `r` directions. The small term corrects binary rounding:
    /// `0.7 · 10` is `6.999…`.
    pub fn floored(&self, share: f64) -> usize {
        ((share * self.directions as f64 + 1e-6).floor() as usize).min(self.directions)
    }
}

/// Position of a task in a sequence of `tasks`, from 0 (the first one) to 1 (the last).
pub(crate) fn progress(task: usize, tasks: usize) -> f64 {
    let last = tasks.saturating_sub(1);
    if last == 0 {
        0.0
    } else {
        task.min(last) as f64 / last as f64
    }
}

/// Rounding of a sum of squares, relative to it: it must not ask for one more direction.
pub(crate) const ENERGY_ROUNDING: f64 = 1e-12;

/// Number of directions that a rule protects in a layer, at most all of them.
pub(crate) fn protected_directions(rule: &dyn Rule, layer: &LayerFacts<'_>) -> usize {
    rule.protected_directions(layer).min(layer.directions)
}

/// Number of directions that a rule protects in a layer with `directions` directions; `None` if the rule
/// reads more than this number.
pub(crate) fn protected_by_size(rule: &dyn Rule, directions: usize) -> Option<usize> {
    let by_size = !rule.needs_spectrum() && rule.importance().is_none() && !rule.follows_tasks();
    by_size.then(|| {
        let layer = LayerFacts {
            directions,
            energies: &[],
            total_energy: 0.0,
            importance: None,
            progress: 0.0,
            task: 0,
        };
        protected_directions(rule, &layer)
    })
}

/// # Errors
///
/// [`OsftError::ShareOutOfRange`] for the first share outside `[0, 1]`.
fn check_shares(shares: &[f64]) -> Result<(), OsftError> {
    match shares.iter().find(|share| !(0.0..=1.0).contains(*share)) {
        Some(&share) => Err(OsftError::ShareOutOfRange { share }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A layer with a complete spectrum.
    pub(super) fn facts(energies: &[f64]) -> LayerFacts<'_> {
        LayerFacts {
            directions: energies.len(),
            energies,
            total_energy: energies.iter().sum(),
            importance: None,
            progress: 0.0,
            task: 0,
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
    fn the_size_alone_decides_for_rules_that_read_nothing_else() {
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
