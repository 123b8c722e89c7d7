//! Configuration of a split: targets, source of the directions, shares and form.

mod choices;
mod conflicts;
mod moment;
mod output_change;
mod precision;
mod scaling;
mod targets;

use std::sync::Arc;

use burn::module::ParamGroup;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

pub use choices::{Decay, Form, Others, Removed, SplitSource};
use conflicts::Conflict;
pub use moment::{MomentConfig, Shrinkage, TokenLength};
pub use output_change::NO_BOUND;
pub use precision::BasePrecision;
pub use scaling::{Combine, DEFAULT_ALPHA, Scaling};
use targets::expression;
pub use targets::{SelectedTarget, Targets};

use crate::error::OsftError;
use crate::importance_measure::ImportanceMeasure;
use crate::rule::{Rule, ShareRule, ShareRules};

fn default_alpha() -> f64 {
    DEFAULT_ALPHA
}

// The signature that serde asks for.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_default_alpha(alpha: &f64) -> bool {
    *alpha == DEFAULT_ALPHA
}

/// A share rule for some of the targets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetShare {
    /// A regular expression. The rule applies to targets whose path contains a match.
    pub targets: String,
    /// How many directions of each of these targets are protected.
    pub protected_share: ShareRule,
}

/// Configuration of a split.
///
/// The default protects half of the singular directions of every linear layer except the output head, and
/// trains the rest in the `core` form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OsftConfig {
    /// Which parameters are split.
    pub targets: Targets,
    /// Where the protected directions come from.
    #[serde(default)]
    pub split: SplitSource,
    /// How strongly each direction of the inputs is held back.
    #[serde(default, skip_serializing_if = "Scaling::is_hard")]
    pub scaling: Scaling,
    /// `α` of [`Scaling::Scaled`], finite and at least 0; other scalings do not read it.
    #[serde(default = "default_alpha", skip_serializing_if = "is_default_alpha")]
    pub scaling_alpha: f64,
    /// How the sources of a calibration are combined.
    #[serde(default, skip_serializing_if = "Combine::is_mean")]
    pub combine: Combine,
    /// How the moment of the inputs is summed and read.
    #[serde(default, skip_serializing_if = "MomentConfig::is_default")]
    pub moment: MomentConfig,
    /// How many directions of each target are protected.
    pub protected_share: ShareRule,
    /// Rules for some of the targets. The first rule that matches a target replaces `protected_share`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target_shares: Vec<TargetShare>,
    /// How training keeps the change of a target inside its free directions.
    #[serde(default)]
    pub form: Form,
    /// Whether parameters that are not targets train.
    #[serde(default)]
    pub others: Others,
    /// The value that weight decay pulls the targets towards.
    #[serde(default)]
    pub decay: Decay,
    /// Largest change of a layer's outputs since the split, above 0: the root mean square over the calibrated inputs,
    /// relative to that of the outputs. A step that goes further is shortened. Needs a calibration. A layer whose outputs
    /// are zero is not held: there is nothing to be relative to. Weights that are stored in two bytes are rounded when
    /// training [finishes](crate::Osft::finish), which moves outputs beside the bound. In a file, `"none"` says that there
    /// is no bound.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "output_change::number_or_none"
    )]
    pub max_output_change: Option<f64>,
    /// Precision of the targets' weights while their cores train.
    #[serde(default)]
    pub base_precision: BasePrecision,
}

impl Default for OsftConfig {
    fn default() -> Self {
        Self {
            targets: Targets::linear_layers(),
            split: SplitSource::Weights,
            scaling: Scaling::Hard,
            scaling_alpha: DEFAULT_ALPHA,
            combine: Combine::Mean,
            moment: MomentConfig::default(),
            protected_share: ShareRule::fixed(0.5),
            target_shares: Vec::new(),
            form: Form::Core,
            others: Others::Frozen,
            decay: Decay::Change,
            max_output_change: None,
            base_precision: BasePrecision::Full,
        }
    }
}

impl OsftConfig {
    /// The default configuration.
    pub fn new() -> Self {
        Self::default()
    }

    /// Splits the parameters whose path matches one of these regular expressions, whatever layer they belong
    /// to; see [`Targets::matching`].
    pub fn with_targets<S: Into<String>>(mut self, patterns: impl IntoIterator<Item = S>) -> Self {
        self.targets = Targets::matching(patterns);
        self
    }

    /// Splits the rank-2 parameters of one of Burn's parameter groups; see [`Targets::group`].
    pub fn with_target_group(mut self, group: ParamGroup) -> Self {
        self.targets = Targets::group(group);
        self
    }

    /// Takes the protected directions from this source.
    pub fn with_split(mut self, split: SplitSource) -> Self {
        self.split = split;
        self
    }

    /// Holds the directions of the inputs back in this way.
    pub fn with_scaling(mut self, scaling: Scaling) -> Self {
        self.scaling = scaling;
        self
    }

    /// Sets `α` of [`Scaling::Scaled`].
    pub fn with_scaling_alpha(mut self, alpha: f64) -> Self {
        self.scaling_alpha = alpha;
        self
    }

    /// Combines the sources of a calibration in this way.
    pub fn with_combine(mut self, combine: Combine) -> Self {
        self.combine = combine;
        self
    }

    /// Sums and reads the moment of the inputs in this way.
    pub fn with_moment(mut self, moment: MomentConfig) -> Self {
        self.moment = moment;
        self
    }

    /// Protects the same fraction of directions, in `[0, 1]`, in every layer.
    pub fn with_protected_share(self, share: f64) -> Self {
        self.with_share_rule(ShareRule::fixed(share))
    }

    /// Protects as many directions as this rule says.
    pub fn with_share_rule(mut self, rule: ShareRule) -> Self {
        self.protected_share = rule;
        self
    }

    /// Applies `rule` to the targets whose path matches the regular expression `targets`. If several rules
    /// match a target, the one that was added first applies.
    pub fn with_target_share(mut self, targets: impl Into<String>, rule: ShareRule) -> Self {
        self.target_shares.push(TargetShare {
            targets: targets.into(),
            protected_share: rule,
        });
        self
    }

    /// Holds the change of a layer's outputs below this share of their size.
    pub fn with_max_output_change(mut self, share: f64) -> Self {
        self.max_output_change = Some(share);
        self
    }

    /// Trains the targets in this form.
    pub fn with_form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    /// Sets whether parameters that are not targets train.
    pub fn with_others(mut self, others: Others) -> Self {
        self.others = others;
        self
    }

    /// Sets the value that weight decay pulls the targets towards.
    pub fn with_decay(mut self, decay: Decay) -> Self {
        self.decay = decay;
        self
    }

    /// Stores the targets' weights in this precision while their cores train.
    pub fn with_base_precision(mut self, precision: BasePrecision) -> Self {
        self.base_precision = precision;
        self
    }

    /// Resolves rules that settings named and that are not built in, with the rules of a registry.
    ///
    /// # Errors
    ///
    /// [`OsftError::UnknownShareRule`] if the registry has no rule of a name,
    /// [`OsftError::InvalidShareSetting`] if a rule cannot read its setting.
    pub fn with_rules(mut self, rules: &ShareRules) -> Result<Self, OsftError> {
        self.protected_share = self.protected_share.resolved(rules)?;
        for share in &mut self.target_shares {
            share.protected_share = share.protected_share.clone().resolved(rules)?;
        }
        Ok(self)
    }

    /// Whether the split or one of its rules needs the measurements of a [`Calibrator`](crate::Calibrator).
    pub fn needs_calibration(&self) -> bool {
        let limited = self.max_output_change.is_some();
        self.split.needs_calibration() || limited || !self.importance_measures().is_empty()
    }

    /// Checks that a device supports the base precision.
    ///
    /// # Errors
    ///
    /// [`OsftError::NoBf16`] if it does not.
    pub fn check_device(&self, device: &Device) -> Result<(), OsftError> {
        self.base_precision.check(device)
    }

    /// Checks everything that does not depend on a module.
    ///
    /// # Errors
    ///
    /// [`OsftError::InvalidPattern`] for a pattern that is not a regular expression, [`OsftError::NoPattern`]
    /// for an empty list of patterns, [`OsftError::ShareOutOfRange`] for a share outside `[0, 1]`,
    /// [`OsftError::UnknownShareRule`] for a rule that is not resolved, [`OsftError::FactoredBf16`] for a
    /// factored form with weights in bf16, [`OsftError::NotTogether`] for two settings that exclude each
    /// other, [`OsftError::InvalidAlpha`] for an `α` that is negative or not finite,
    /// [`OsftError::InvalidShrinkage`] for a weight of the shrinkage outside `[0, 1]`.
    pub fn validate(&self) -> Result<(), OsftError> {
        self.validate_made()?;
        self.rules().try_for_each(ShareRule::validate)
    }

    /// As [`validate`](Self::validate), for the configuration of an existing split: its rules need not be
    /// resolved.
    pub(crate) fn validate_made(&self) -> Result<(), OsftError> {
        if self.form.is_factored() && self.base_precision != BasePrecision::Full {
            return Err(OsftError::FactoredBf16);
        }
        self.check_together()?;
        self.targets.validate()?;
        for share in &self.target_shares {
            expression(&share.targets)?;
        }
        self.rules().try_for_each(ShareRule::validate_made)
    }

    /// All rules: the general one, then those for some of the targets.
    fn rules(&self) -> impl Iterator<Item = &ShareRule> {
        let for_some = self
            .target_shares
            .iter()
            .map(|share| &share.protected_share);
        std::iter::once(&self.protected_share).chain(for_some)
    }

    /// Whether a rule depends on the position in the sequence of tasks.
    pub(crate) fn follows_tasks(&self) -> bool {
        self.rules().any(ShareRule::follows_tasks)
    }

    /// Importance measures that the rules read, without duplicates.
    pub(crate) fn importance_measures(&self) -> Vec<ImportanceMeasure> {
        let mut measures = Vec::new();
        for measure in self.rules().filter_map(ShareRule::importance) {
            if !measures.contains(&measure) {
                measures.push(measure);
            }
        }
        measures
    }

    /// Checks that every entry of `target_shares` matches one of the targets.
    ///
    /// # Errors
    ///
    /// [`OsftError::NoTargetOfShare`] for the first entry that matches none.
    pub(crate) fn check_target_shares(&self, targets: &[&str]) -> Result<(), OsftError> {
        for share in &self.target_shares {
            let regex = expression(&share.targets)?;
            if !targets.iter().any(|path| regex.is_match(path)) {
                return Err(OsftError::NoTargetOfShare {
                    pattern: share.targets.clone(),
                    targets: targets.iter().map(|path| (*path).to_string()).collect(),
                });
            }
        }
        Ok(())
    }

    /// The rule of each target.
    ///
    /// # Errors
    ///
    /// [`OsftError::InvalidPattern`], [`OsftError::UnknownShareRule`].
    pub(crate) fn rules_of(&self, paths: &[&str]) -> Result<Vec<Arc<dyn Rule>>, OsftError> {
        let mut rules = vec![self.protected_share.rule()?; paths.len()];
        for share in self.target_shares.iter().rev() {
            let regex = expression(&share.targets)?;
            for (rule, path) in rules.iter_mut().zip(paths) {
                if regex.is_match(path) {
                    *rule = share.protected_share.rule()?;
                }
            }
        }
        Ok(rules.into_iter().cloned().collect())
    }
}
