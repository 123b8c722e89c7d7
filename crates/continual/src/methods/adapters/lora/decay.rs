//! LoRA with weight decay: a control for methods that keep the change of the weights small.

use ::osft::Targets;
use burn::module::LoraAdapter;
use lm::LanguageModel;
use serde::{Deserialize, Serialize};

use super::LoraMethod;
use crate::error::ContinualError;
use crate::method::finite_in_f32;
use crate::method::{
    MemoryNeeds, Method, MethodInputs, MethodKind, OptimizerName, SearchedSetting,
};
use crate::methods::adapters::settings::{AdapterConfig, Check, first_failure};

/// Settings of `lora-decay`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraDecayConfig {
    /// Which parameters get an adapter.
    pub targets: Targets,
    /// Rank of an adapter, at least 1: `ΔW = alpha / adapter_rank · A B`.
    pub adapter_rank: usize,
    /// Numerator of the adapter's scale; above 0.
    pub alpha: f64,
    /// Decay of both factors, 0 or above: a step multiplies them by `1 - learning rate · weight_decay`. It
    /// takes the place of the optimizer's.
    pub weight_decay: f64,
}

impl LoraDecayConfig {
    /// Checks every setting as far as possible without a module.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`] for the first one out of range.
    pub fn validate(&self) -> Result<(), ContinualError> {
        self.adapters().validate()?;
        first_failure([Check {
            name: "weight_decay",
            found: self.weight_decay.to_string(),
            valid: self.weight_decay >= 0.0 && finite_in_f32(self.weight_decay),
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

/// Checks that an optimizer decays weights apart from their gradients.
///
/// # Errors
///
/// [`ContinualError::InvalidSetting`] if it does not.
pub(super) fn check_optimizer(optimizer: OptimizerName) -> Result<(), ContinualError> {
    first_failure([Check {
        name: "optimizer",
        found: optimizer.name().to_string(),
        valid: !matches!(optimizer, OptimizerName::Adam | OptimizerName::Sgd),
        expected: "adamw, lion or muon, since lora-decay needs a weight decay that is no part of the gradient",
    }])
}

/// `lora-decay`: one adapter for all tasks, with decoupled weight decay on both factors.
///
/// A small change of the weights alone keeps much of what a model knew. A method that protects more should keep more
/// than this control at the same change.
///
/// # References
///
/// Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019.
pub struct LoraDecayKind;

impl<M: LanguageModel + 'static> MethodKind<M> for LoraDecayKind {
    type Settings = LoraDecayConfig;

    fn name(&self) -> &str {
        "lora-decay"
    }

    fn help(&self) -> &str {
        "One low-rank adapter through all tasks, with weight decay on its factors: a control"
    }

    fn defaults(&self) -> LoraDecayConfig {
        let AdapterConfig {
            targets,
            adapter_rank,
            alpha,
        } = AdapterConfig::for_queries_and_values(8, 32.0);
        LoraDecayConfig {
            targets,
            adapter_rank,
            alpha,
            weight_decay: 0.3,
        }
    }

    fn checked(&self, settings: LoraDecayConfig) -> Result<LoraDecayConfig, ContinualError> {
        settings.validate()?;
        Ok(settings)
    }

    fn label(&self, settings: &LoraDecayConfig) -> String {
        format!("lora-decay {}", settings.weight_decay)
    }

    fn check_optimizer(&self, optimizer: OptimizerName) -> Result<(), ContinualError> {
        check_optimizer(optimizer)
    }

    fn learns_adapter(&self) -> bool {
        true
    }

    fn memory(&self, settings: &LoraDecayConfig, model: &M) -> Result<MemoryNeeds, ContinualError> {
        settings.adapters().memory::<LoraAdapter, 2>(model)
    }

    fn searched(&self, _settings: &LoraDecayConfig) -> Vec<SearchedSetting> {
        vec![SearchedSetting::logarithmic("weight_decay", 0.03, 3.0)]
    }

    fn build(
        &self,
        settings: LoraDecayConfig,
        inputs: MethodInputs<'_>,
    ) -> Result<Box<dyn Method<M>>, ContinualError> {
        Ok(Box::new(LoraMethod::decayed(settings, inputs.seed)?))
    }
}
