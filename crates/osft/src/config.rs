//! What to split, by what, how much of it to protect, and how the rest may move.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::{BasePrecision, OsftError, Removed, ShareRule, TargetPatterns};

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
    /// The weight at the split: the change decays.
    #[default]
    Change,
    /// Zero: the free part decays, and with it what the network knew there. As in PEFT.
    Weight,
}

/// Configuration of a split.
///
/// The default protects half of the singular directions of every rank-2 parameter whose path ends
/// in `weight`, as PEFT and mini_trainer do, and holds the rest in the `core` form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OsftConfig {
    /// Which parameters are split.
    pub targets: TargetPatterns,
    /// Where the protected directions come from.
    #[serde(default)]
    pub split: SplitSource,
    /// How many directions of each target are protected.
    pub protected_share: ShareRule,
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
            targets: TargetPatterns::new(["weight$"]),
            split: SplitSource::Weights,
            protected_share: ShareRule::Fixed(0.5),
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

    /// Splits the parameters whose path matches one of these regular expressions.
    pub fn with_targets<S: Into<String>>(mut self, patterns: impl IntoIterator<Item = S>) -> Self {
        self.targets = TargetPatterns::new(patterns);
        self
    }

    /// Takes the protected directions from that source.
    pub fn with_split(mut self, split: SplitSource) -> Self {
        self.split = split;
        self
    }

    /// Protects the same fraction of directions, in `[0, 1]`, in every layer.
    pub fn with_protected_share(self, share: f64) -> Self {
        self.with_share_rule(ShareRule::Fixed(share))
    }

    /// Protects as many directions as that rule says.
    pub fn with_share_rule(mut self, rule: ShareRule) -> Self {
        self.protected_share = rule;
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
    /// [`OsftError::FactoredBf16`].
    pub fn validate(&self) -> Result<(), OsftError> {
        if self.form.is_factored() && self.base_precision != BasePrecision::Full {
            return Err(OsftError::FactoredBf16);
        }
        self.targets.validate()?;
        self.protected_share.validate()
    }
}
