//! The choices of a configuration that are one of a few names.

use serde::{Deserialize, Serialize};

/// The part of a change that a constraint removes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Removed {
    /// Everything in protected inputs *or* protected outputs, which leaves `ΔW = N_P C N_Qᵀ`.
    #[default]
    EitherSide,
    /// Everything in protected inputs *and* protected outputs: `P_h P_hᵀ ΔW Q_h Q_hᵀ`, the block of the
    /// paper's equation 4. The projector of a side that protects nothing counts as the identity.
    Block,
}

/// Where the protected directions come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitSource {
    /// The top singular directions of the weight, on both sides: the paper's split. It needs no data and
    /// bounds no outputs by itself, since inputs may have their energy where the weight is small.
    #[default]
    Weights,
    /// The directions that carry the energy of the layer's inputs, on the input side only.
    Inputs,
    /// The top singular directions of `Σ^{1/2} W`: outputs that carry energy, and the inputs that
    /// produce them.
    Both,
    /// The directions that carry the energy of the layer's inputs, on the input side, and those that carry
    /// the energy of the gradients with respect to the layer's outputs, on the output side. With
    /// [`Form::Core`] nothing moves in either, with [`Form::Weight`] what is in both does not move: the
    /// Kronecker product of the two projectors.
    InputsAndGradients,
}

impl SplitSource {
    /// Whether the split needs the moments of a layer's inputs.
    pub fn needs_calibration(self) -> bool {
        self != Self::Weights
    }

    /// Whether the split also needs the moments of the gradients.
    pub fn needs_gradients(self) -> bool {
        self == Self::InputsAndGradients
    }
}

/// How training keeps the change of a weight inside its free directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// `W = W₀ + N_P C N_Qᵀ`: the optimizer trains `C`. Nothing leaks, whatever the optimizer is.
    #[default]
    Core,
    /// The paper's equation 4: the block `P_h P_hᵀ · Q_h Q_hᵀ` is removed from gradient and update. Nothing
    /// else is protected: `P_hᵀ ΔW` and `ΔW Q_h` are not zero.
    Weight,
    /// The paper's algorithm, as in PEFT: the free part trains as `P_l diag(s_l) Q_lᵀ`, and the *gradients*
    /// of its factors are projected. AdamW moves the factors into protected directions again.
    Factored,
    /// As [`Factored`](Self::Factored), but the factors are projected again after every step, as in
    /// mini_trainer.
    FactoredReprojected,
}

impl Form {
    /// Whether the form trains factors of the free part, which are attached to the module.
    pub fn is_factored(self) -> bool {
        matches!(self, Self::Factored | Self::FactoredReprojected)
    }

    /// The part of a change that the form removes.
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
    /// They are frozen, so that nothing trains outside the constraint.
    #[default]
    Frozen,
    /// They train without a constraint, as in mini_trainer and the authors' code.
    Trained,
}

/// The value that weight decay of the inner optimizer pulls the targets towards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// The weight at the split, so that the change decays. A target without protected directions trains as in
    /// plain fine-tuning: it decays towards zero.
    #[default]
    Change,
    /// Zero, as in PEFT: the free part decays, including what the model had learned there before the split.
    Weight,
}
