//! How strongly the directions of the inputs are held back, and how sources of inputs are combined.

use serde::{Deserialize, Serialize};

/// `α` of [`Scaling::Scaled`] unless another one is set.
pub const DEFAULT_ALPHA: f64 = 10.0;

/// How strongly a split by [`SplitSource::Inputs`](super::SplitSource::Inputs) holds each direction of a layer's
/// inputs back.
///
/// With `V` the eigenvectors of the inputs' second moment `Σ`, `λ_i` its eigenvalues and a scale `p_i` in
/// `[0, 1]` for every direction, the core form trains `C` in `W = W₀ + V diag(p) C`. An elementwise optimizer
/// such as AdamW, which gives every row of `C` steps of about the same size, then moves direction `i` by
/// `p_i` times as much and cannot undo the scale. Under plain SGD the step is `p_i²` times as large, since the
/// gradient of `C` is scaled too. A direction with `p_i = 0` is protected exactly, others are not.
///
/// For inputs as measured, the outputs move by
/// `E‖x ΔW‖² = tr(ΔWᵀ Σ ΔW) = Σ_i λ_i p_i² ‖c_i‖² ≤ max_i(λ_i p_i²) ‖C‖_F²`, with the rows `c_i` of `C`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// `p_i = 0` for the directions that the rule protects, 1 for the others. The bound is
    /// `max(λ_i of the others) ‖ΔW‖_F²`, and so at most `(1 - ε) tr(Σ) ‖ΔW‖_F²`.
    #[default]
    Hard,
    /// `p_i = 1 / (1 + μ λ_i)`, with `μ` per layer such that the mean of `p` is the free share: one minus the
    /// share that the rule protects. This `V diag(p) Vᵀ` minimizes `‖ΔW - G‖_F² + μ tr(ΔWᵀ Σ ΔW)` over `ΔW`. The bound
    /// is at most `‖C‖_F² / (4 μ)`, since `λ / (1 + μ λ)²` is largest at `λ = 1 / μ`. Where more directions
    /// carry no energy than may be free, `p` is the limit of `Σ + δ I` for `δ → 0`: 0 where there is energy,
    /// and equal elsewhere.
    Ridge,
    /// `p_i = 1 - (α + 1) s_i / (α s_i + s_max)` with `s_i = √λ_i` for the directions that the rule protects, 1
    /// for the others. `α → ∞` is [`Hard`](Self::Hard). With [`Combine::Union`], the importance
    /// `1 - p_i` of a direction that returns in a later source is added to what it has, up to 1. The bound
    /// takes the larger of `max(λ_i of the others)` and, with `q = s_i / s_max`,
    /// `λ_max · max_i (q (1 - q) / (1 + α q))²`, which is below `λ_max / α²`.
    ///
    /// # References
    ///
    /// Saha and Roy, "Continual Learning with Scaled Gradient Projection", AAAI 2023.
    Scaled,
}

impl Scaling {
    pub(crate) fn is_hard(&self) -> bool {
        *self == Self::Hard
    }

    /// Name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Ridge => "ridge",
            Self::Scaled => "scaled",
        }
    }
}

/// How the sources of a calibration (base, first task, second task …) are combined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Combine {
    /// The directions come from the weighted mean of the sources' moments.
    #[default]
    Mean,
    /// A direction is protected if any source needs it. Of a new source's inputs, what is already protected
    /// is taken out; then the fewest directions are added such that the protected ones hold the share of the
    /// source's energy that the rule asks for. For a rule that asks for a number of directions, that is the
    /// share which so many directions of the source alone would hold.
    ///
    /// # References
    ///
    /// Saha et al., "Gradient Projection Memory for Continual Learning", ICLR 2021, algorithm 1.
    Union,
}

impl Combine {
    pub(crate) fn is_mean(&self) -> bool {
        *self == Self::Mean
    }
}
