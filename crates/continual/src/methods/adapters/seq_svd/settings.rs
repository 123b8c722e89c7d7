//! Settings of `seq-svd`.

use ::osft::Targets;
use serde::{Deserialize, Serialize};

use crate::error::ContinualError;
use crate::method::finite_in_f32;
use crate::methods::adapters::settings::{AdapterConfig, Check, first_failure};

/// Settings of an adapter in the form of a singular value decomposition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeqSvdConfig {
    /// Which parameters get an adapter.
    pub targets: Targets,
    /// Rank of an adapter, at least 1: `ΔW = alpha / adapter_rank · P diag(λ) Q`.
    pub adapter_rank: usize,
    /// Numerator of the adapter's scale; above 0.
    pub alpha: f64,
    /// Weight of the penalty `γ (‖PᵀP - I‖_F² + ‖QQᵀ - I‖_F²)`, summed over the targets, 0 or above.
    pub orthogonality: f64,
}

impl SeqSvdConfig {
    /// Checks every setting as far as possible without a module.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`] for the first one out of range.
    pub fn validate(&self) -> Result<(), ContinualError> {
        self.adapters().validate()?;
        first_failure([Check {
            name: "orthogonality",
            found: self.orthogonality.to_string(),
            valid: self.orthogonality >= 0.0 && finite_in_f32(self.orthogonality),
            expected: "0 or above, and finite",
        }])
    }

    pub(super) fn adapters(&self) -> AdapterConfig {
        AdapterConfig {
            targets: self.targets.clone(),
            adapter_rank: self.adapter_rank,
            alpha: self.alpha,
        }
    }
}
