//! What is set in every method with adapters.

use ::osft::{SelectedTarget, Targets};
use burn::module::Module;
use serde::{Deserialize, Serialize};

use super::form::{Form, numbers};
use crate::error::ContinualError;
use crate::method::MemoryNeeds;
use crate::method::finite_in_f32;

/// Query and value projections under the names of LLaMA and T5, as in the settings of the O-LoRA
/// paper.
const QUERIES_AND_VALUES: &str = r"((q|v)_proj|Attention\.[qv])\.weight$";

/// Where adapters are, how wide they are, and how their product is scaled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdapterConfig {
    /// Which parameters get an adapter.
    pub targets: Targets,
    /// Inner dimension of the factors, at least 1: `ΔW = alpha / adapter_rank · A B`.
    pub adapter_rank: usize,
    /// Numerator of the adapter's scale; above 0.
    pub alpha: f64,
}

impl AdapterConfig {
    /// Adapters of the query and value projections.
    pub(super) fn for_queries_and_values(adapter_rank: usize, alpha: f64) -> Self {
        Self {
            targets: Targets::matching([QUERIES_AND_VALUES]),
            adapter_rank,
            alpha,
        }
    }

    /// Checks every setting as far as possible without a module.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`] for the first one out of range.
    pub fn validate(&self) -> Result<(), ContinualError> {
        first_failure([
            Check {
                name: "adapter_rank",
                found: self.adapter_rank.to_string(),
                valid: self.adapter_rank > 0,
                expected: "at least 1",
            },
            Check {
                name: "alpha",
                found: self.alpha.to_string(),
                valid: self.alpha > 0.0 && finite_in_f32(self.alpha),
                expected: "above 0 and finite",
            },
        ])
    }

    pub(super) fn scale(&self) -> f64 {
        self.alpha / self.adapter_rank as f64
    }

    /// The parameters of a module that get an adapter.
    ///
    /// # Errors
    ///
    /// [`OsftError::NoTarget`](::osft::OsftError::NoTarget) if a pattern selects nothing; [`ContinualError::AdapterRank`] for the first parameter
    /// that is narrower than its adapter.
    pub(super) fn selected(
        &self,
        module: &impl Module,
    ) -> Result<Vec<SelectedTarget>, ContinualError> {
        let targets = self.targets.selected(module)?;
        let rank = self.adapter_rank;
        let narrow = targets
            .iter()
            .find(|target| target.shape[0].min(target.shape[1]) < rank);
        match narrow {
            None => Ok(targets),
            Some(SelectedTarget { path, shape, .. }) => Err(ContinualError::AdapterRank {
                layer: path.clone(),
                shape: *shape,
                rank,
            }),
        }
    }

    /// Number of scalars in the adapters of a module.
    ///
    /// # Errors
    ///
    /// The errors of [`selected`](Self::selected).
    pub(super) fn numbers<F: Form<N>, const N: usize>(
        &self,
        module: &impl Module,
    ) -> Result<usize, ContinualError> {
        let targets = self.selected(module)?.into_iter();
        Ok(targets
            .map(|target| numbers::<F, N>(self.adapter_rank, target.shape))
            .sum())
    }

    /// The memory to train the adapters of a model.
    ///
    /// # Errors
    ///
    /// The errors of [`selected`](Self::selected).
    pub(super) fn memory<F: Form<N>, const N: usize>(
        &self,
        model: &impl Module,
    ) -> Result<MemoryNeeds, ContinualError> {
        // This also looks up the targets, the setting that is wrong most often.
        let adapters = self.numbers::<F, N>(model)?;
        let targets = self.targets.selected(model)?.into_iter();
        let targets = targets
            .map(|target| target.shape[0] * target.shape[1])
            .sum();
        Ok(MemoryNeeds::of_adapters(
            model.num_params(),
            targets,
            adapters,
        ))
    }
}

/// A setting, and whether it is in range.
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) found: String,
    pub(super) valid: bool,
    pub(super) expected: &'static str,
}

/// # Errors
///
/// [`ContinualError::InvalidSetting`] for the first setting out of range.
pub(super) fn first_failure(checks: impl IntoIterator<Item = Check>) -> Result<(), ContinualError> {
    match checks.into_iter().find(|check| !check.valid) {
        None => Ok(()),
        Some(check) => Err(ContinualError::InvalidSetting {
            name: check.name,
            found: check.found,
            expected: check.expected,
        }),
    }
}
