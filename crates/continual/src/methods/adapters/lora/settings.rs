//! Settings of `lora` and `o-lora`.

use ::osft::Targets;
use burn::module::{LoraAdapter, Module};
use serde::{Deserialize, Serialize};

use crate::error::ContinualError;
use crate::method::finite_in_f32;
use crate::methods::adapters::settings::{AdapterConfig, Check, first_failure};

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

    fn check(&self, name: &'static str) -> Check {
        let values: &[f64] = match self {
            Self::All(value) => std::slice::from_ref(value),
            Self::Each(values) => values,
        };
        let valid = values
            .iter()
            .all(|value| *value >= 0.0 && finite_in_f32(*value));
        Check {
            name,
            found: format!("{values:?}"),
            valid,
            expected: "0 or above, and finite",
        }
    }
}

/// The factor that O-LoRA keeps apart from the same factor of earlier adapters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrthogonalityOn {
    /// `A`, on the side of the layer's input, as the released code does.
    #[default]
    A,
    /// `B`, on the side of the layer's output: the columns of the paper's update.
    B,
}

impl OrthogonalityOn {
    // By reference, as serde asks for it.
    #[allow(clippy::trivially_copy_pass_by_ref)]
    fn is_default(&self) -> bool {
        *self == Self::default()
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
    /// The factor that the orthogonality penalty looks at; only O-LoRA uses it.
    // Left out where it is the default: settings of earlier results do not have it.
    #[serde(default, skip_serializing_if = "OrthogonalityOn::is_default")]
    pub orthogonality_on: OrthogonalityOn,
}

impl LoraConfig {
    /// Checks every setting as far as possible without a module.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`] for the first one out of range.
    pub fn validate(&self) -> Result<(), ContinualError> {
        self.adapters().validate()?;
        first_failure([
            self.orthogonality.check("orthogonality"),
            self.size.check("size"),
        ])
    }

    /// Number of scalars in the adapters of a module.
    ///
    /// # Errors
    ///
    /// [`ContinualError::Osft`] if a pattern selects nothing; [`ContinualError::AdapterRank`].
    pub fn adapter_parameters<M: Module>(&self, module: &M) -> Result<usize, ContinualError> {
        self.adapters().numbers::<LoraAdapter, 2>(module)
    }

    pub(super) fn adapters(&self) -> AdapterConfig {
        AdapterConfig {
            targets: self.targets.clone(),
            adapter_rank: self.adapter_rank,
            alpha: self.alpha,
        }
    }
}
