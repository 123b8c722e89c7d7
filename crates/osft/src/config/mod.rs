//! What to split, by what, how much of it to protect, and how the rest may move.

mod precision;
mod targets;

use std::sync::Arc;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

pub use precision::BasePrecision;
use targets::expression;
pub use targets::{SelectedTarget, Targets};

use crate::error::OsftError;
use crate::importance_measure::ImportanceMeasure;
use crate::rule::{Rule, ShareRule, ShareRules};

/// Which part of a change is taken away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Removed {
    /// What touches protected inputs *or* protected outputs: `ΔW = N_P C N_Qᵀ`.
    #[default]
    EitherSide,
    /// What touches protected inputs *and* protected outputs: `P_h P_hᵀ ΔW Q_h Q_hᵀ`, the block of
    /// the paper's equation 4. A side that protects nothing counts as the identity there.
    Block,
}

/// Where the protected directions come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitSource {
    /// The top singular directions of the weight, on both sides: the paper's split. Needs no data,
    /// and bounds nothing by itself: inputs may have their energy where the weight is small.
    #[default]
    Weights,
    /// The directions that hold the energy of the layer's inputs, on the input side alone.
    Inputs,
    /// The top singular directions of `Σ^{1/2} W`: outputs that carry energy, and the inputs that
    /// produce them.
    Both,
}

impl SplitSource {
    /// Whether the split needs the moments of a layer's inputs.
    pub fn needs_calibration(self) -> bool {
        self != Self::Weights
    }
}

/// How a weight is kept inside what is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// `W = W₀ + N_P C N_Qᵀ`: the optimizer runs in `C`. Nothing leaks, whatever the optimizer.
    #[default]
    Core,
    /// The paper's equation 4: the block `P_h P_hᵀ · Q_h Q_hᵀ` is removed from gradient and update.
    /// Only that block: `P_hᵀ ΔW` and `ΔW Q_h` are not zero.
    Weight,
    /// The paper's algorithm, as in PEFT: the free part is trained as `P_l diag(s_l) Q_lᵀ`, and
    /// the *gradients* of its factors are projected. AdamW moves the factors back.
    Factored,
    /// As [`Factored`](Self::Factored), with the factors projected again after every step, as in
    /// mini_trainer.
    FactoredReprojected,
}

impl Form {
    /// Whether the free part is held as factors, attached to the module while it trains.
    pub fn is_factored(self) -> bool {
        matches!(self, Self::Factored | Self::FactoredReprojected)
    }

    /// What the form takes away from a change.
    pub(crate) fn removed(self) -> Removed {
        match self {
            Self::Weight => Removed::Block,
            _ => Removed::EitherSide,
        }
    }
}

/// What happens to the parameters that are not targets: embeddings, norms, biases, heads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Others {
    /// They do not move: what trains without the constraint is a hole in it.
    #[default]
    Frozen,
    /// They train without any constraint, as in mini_trainer and the authors' code.
    Trained,
}

/// What the inner optimizer's weight decay pulls towards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// The weight at the split: the change decays. A target of which everything is free has no split to
    /// speak of: it trains as in plain fine-tuning, and decays towards zero.
    #[default]
    Change,
    /// Zero: the free part decays, and with it what the network knew there. As in PEFT.
    Weight,
}

/// The rule of some of the targets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetShare {
    /// A regular expression that is found in their paths.
    pub targets: String,
    /// How many directions of each are protected.
    pub protected_share: ShareRule,
}

/// Configuration of a split.
///
/// The default protects half of the singular directions of every linear layer but the output head, and
/// holds the rest in the `core` form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OsftConfig {
    /// Which parameters are split.
    pub targets: Targets,
    /// Where the protected directions come from.
    #[serde(default)]
    pub split: SplitSource,
    /// How many directions of each target are protected.
    pub protected_share: ShareRule,
    /// Where other rules hold; of several that match a target, the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target_shares: Vec<TargetShare>,
    /// How a target is kept inside its free directions.
    #[serde(default)]
    pub form: Form,
    /// What happens to everything else.
    #[serde(default)]
    pub others: Others,
    /// What weight decay pulls the targets towards.
    #[serde(default)]
    pub decay: Decay,
    /// In which precision the weights of the split are held while their cores train.
    #[serde(default)]
    pub base_precision: BasePrecision,
}

impl Default for OsftConfig {
    fn default() -> Self {
        Self {
            targets: Targets::linear_layers(),
            split: SplitSource::Weights,
            protected_share: ShareRule::fixed(0.5),
            target_shares: Vec::new(),
            form: Form::Core,
            others: Others::Frozen,
            decay: Decay::Change,
            base_precision: BasePrecision::Full,
        }
    }
}

impl OsftConfig {
    /// The default configuration.
    pub fn new() -> Self {
        Self::default()
    }

    /// Splits the parameters whose path matches one of these regular expressions, whatever layer they
    /// belong to; see [`Targets::matching`].
    pub fn with_targets<S: Into<String>>(mut self, patterns: impl IntoIterator<Item = S>) -> Self {
        self.targets = Targets::matching(patterns);
        self
    }

    /// Takes the protected directions from that source.
    pub fn with_split(mut self, split: SplitSource) -> Self {
        self.split = split;
        self
    }

    /// Protects the same fraction of directions, in `[0, 1]`, in every layer.
    pub fn with_protected_share(self, share: f64) -> Self {
        self.with_share_rule(ShareRule::fixed(share))
    }

    /// Protects as many directions as that rule says.
    pub fn with_share_rule(mut self, rule: ShareRule) -> Self {
        self.protected_share = rule;
        self
    }

    /// Protects as many directions as `rule` says in the targets whose path a regular expression matches.
    /// Of several rules that match a target the one that was given first holds.
    pub fn with_target_share(mut self, targets: impl Into<String>, rule: ShareRule) -> Self {
        self.target_shares.push(TargetShare {
            targets: targets.into(),
            protected_share: rule,
        });
        self
    }

    /// Constrains the targets in that form.
    pub fn with_form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    /// Says what happens to everything that is not a target.
    pub fn with_others(mut self, others: Others) -> Self {
        self.others = others;
        self
    }

    /// Says what weight decay pulls the targets towards.
    pub fn with_decay(mut self, decay: Decay) -> Self {
        self.decay = decay;
        self
    }

    /// Holds the weights of the split in that precision.
    pub fn with_base_precision(mut self, precision: BasePrecision) -> Self {
        self.base_precision = precision;
        self
    }

    /// The same with its rules made by this list where settings named one that is not built in.
    ///
    /// # Errors
    ///
    /// [`OsftError::UnknownShareRule`], [`OsftError::InvalidShareSetting`].
    pub fn with_rules(mut self, rules: &ShareRules) -> Result<Self, OsftError> {
        self.protected_share = self.protected_share.resolved(rules)?;
        for share in &mut self.target_shares {
            share.protected_share = share.protected_share.clone().resolved(rules)?;
        }
        Ok(self)
    }

    /// Whether the split, or a rule, reads what a [`Calibrator`](crate::Calibrator) measures.
    pub fn needs_calibration(&self) -> bool {
        self.split.needs_calibration() || !self.importance_measures().is_empty()
    }

    /// Checks whether a device can hold weights as this configuration wants.
    ///
    /// # Errors
    ///
    /// [`OsftError::NoBf16`].
    pub fn check_device(&self, device: &Device) -> Result<(), OsftError> {
        self.base_precision.check(device)
    }

    /// Checks what can be checked without a module.
    ///
    /// # Errors
    ///
    /// [`OsftError::InvalidPattern`], [`OsftError::NoPattern`], [`OsftError::ShareOutOfRange`],
    /// [`OsftError::UnknownShareRule`], [`OsftError::FactoredBf16`].
    pub fn validate(&self) -> Result<(), OsftError> {
        self.validate_made()?;
        self.rules().try_for_each(ShareRule::validate)
    }

    /// Checks the configuration of a split that was made: as [`validate`](Self::validate), but a rule that
    /// is not built in need not be resolved.
    pub(crate) fn validate_made(&self) -> Result<(), OsftError> {
        if self.form.is_factored() && self.base_precision != BasePrecision::Full {
            return Err(OsftError::FactoredBf16);
        }
        self.targets.validate()?;
        for share in &self.target_shares {
            expression(&share.targets)?;
        }
        self.rules().try_for_each(ShareRule::validate_made)
    }

    /// All rules, also those that hold for some targets alone.
    fn rules(&self) -> impl Iterator<Item = &ShareRule> {
        let some = self.target_shares.iter().map(|some| &some.protected_share);
        std::iter::once(&self.protected_share).chain(some)
    }

    /// Whether a rule follows the sequence of tasks.
    pub(crate) fn follows_tasks(&self) -> bool {
        self.rules().any(ShareRule::follows_tasks)
    }

    /// Measures of importance that the rules read, each once.
    pub(crate) fn importance_measures(&self) -> Vec<ImportanceMeasure> {
        let mut measures = Vec::new();
        for measure in self.rules().filter_map(ShareRule::importance) {
            if !measures.contains(&measure) {
                measures.push(measure);
            }
        }
        measures
    }

    /// Checks that every share that is given for some targets is given for one of these.
    ///
    /// # Errors
    ///
    /// [`OsftError::NoTargetOfShare`].
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
