//! Settings of low-rank adapters.

use ::osft::{OsftError, Targets};
use burn::module::Module;
use serde::{Deserialize, Serialize};

use crate::error::ContinualError;

/// One number for all tasks, or one per position in the order; the last number also serves all
/// later positions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PerTaskValue {
    /// The same number for all tasks.
    All(f64),
    /// One number per position.
    Each(Vec<f64>),
}

impl Default for PerTaskValue {
    fn default() -> Self {
        Self::All(0.0)
    }
}

impl PerTaskValue {
    /// The number for the task at a position, from 0.
    pub fn at(&self, position: usize) -> f64 {
        match self {
            Self::All(value) => *value,
            Self::Each(values) => {
                let value = values.get(position).or(values.last());
                value.copied().unwrap_or(0.0)
            }
        }
    }

    fn check(&self, name: &'static str) -> (&'static str, String, bool, &'static str) {
        let values: &[f64] = match self {
            Self::All(value) => std::slice::from_ref(value),
            Self::Each(values) => values,
        };
        let valid = values
            .iter()
            .all(|value| *value >= 0.0 && value.is_finite());
        (name, format!("{values:?}"), valid, "0 or above, and finite")
    }
}

/// Settings of low-rank adapters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraConfig {
    /// Which parameters get an adapter.
    pub targets: Targets,
    /// Rank of an adapter, at least 1: `ΔW = alpha / adapter_rank · A B`.
    pub adapter_rank: usize,
    /// Numerator of the adapter's scale; above 0.
    pub alpha: f64,
    /// Weight of the orthogonality penalty, `λ₁ Σ_i Σ |A_iᵀ A|` over the adapters of earlier tasks,
    /// 0 or above; only O-LoRA uses it.
    #[serde(default)]
    pub orthogonality: PerTaskValue,
    /// Weight of the size penalty, `λ₂ (‖A‖_F + ‖B‖_F)`, 0 or above; only O-LoRA uses it.
    #[serde(default)]
    pub size: PerTaskValue,
}

impl LoraConfig {
    /// Checks every setting as far as possible without a module.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`] for the first one out of range.
    pub fn validate(&self) -> Result<(), ContinualError> {
        let checks = [
            (
                "adapter_rank",
                self.adapter_rank.to_string(),
                self.adapter_rank > 0,
                "at least 1",
            ),
            (
                "alpha",
                self.alpha.to_string(),
                self.alpha > 0.0 && self.alpha.is_finite(),
                "above 0 and finite",
            ),
            self.orthogonality.check("orthogonality"),
            self.size.check("size"),
        ];
        if let Some((name, found, _, expected)) = checks.into_iter().find(|check| !check.2) {
            return Err(ContinualError::InvalidSetting {
                name,
                found,
                expected,
            });
        }
        Ok(())
    }

    /// Number of scalars in the adapters of a module.
    ///
    /// # Errors
    ///
    /// [`OsftError::NoTarget`] if a pattern selects nothing.
    pub fn adapter_parameters<M: Module>(&self, module: &M) -> Result<usize, OsftError> {
        let targets = self.targets.selected(module)?.into_iter();
        Ok(targets
            .map(|target| self.adapter_rank * (target.shape[0] + target.shape[1]))
            .sum())
    }
}
