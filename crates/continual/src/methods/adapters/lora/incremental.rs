//! IncLoRA in the registry.

use burn::module::LoraAdapter;
use lm::LanguageModel;

use super::LoraMethod;
use crate::error::ContinualError;
use crate::method::{MemoryNeeds, Method, MethodInputs, MethodKind};
use crate::methods::adapters::settings::AdapterConfig;

/// `inc-lora`: a new adapter per task, nothing between it and the earlier ones.
///
/// The published method keeps every adapter and adds their products up; here each is merged at the end of its task,
/// which gives the same weights but for rounding, and memory that does not grow with the tasks.
///
/// # References
///
/// The baseline IncLoRA of Wang et al., "Orthogonal Subspace Learning for Language Model Continual Learning", EMNLP
/// Findings 2023.
pub struct IncLoraKind;

impl<M: LanguageModel + 'static> MethodKind<M> for IncLoraKind {
    type Settings = AdapterConfig;

    fn name(&self) -> &str {
        "inc-lora"
    }

    fn help(&self) -> &str {
        "A new low-rank adapter per task; the earlier ones stay as they are"
    }

    fn defaults(&self) -> AdapterConfig {
        AdapterConfig::for_queries_and_values(8, 32.0)
    }

    fn checked(&self, settings: AdapterConfig) -> Result<AdapterConfig, ContinualError> {
        settings.validate()?;
        Ok(settings)
    }

    fn memory(&self, settings: &AdapterConfig, model: &M) -> Result<MemoryNeeds, ContinualError> {
        settings.memory::<LoraAdapter, 2>(model)
    }

    fn build(
        &self,
        settings: AdapterConfig,
        inputs: MethodInputs<'_>,
    ) -> Result<Box<dyn Method<M>>, ContinualError> {
        Ok(Box::new(LoraMethod::incremental(settings, inputs.seed)?))
    }
}
