//! MiLoRA and PiSSA in the registry.

use burn::module::LoraAdapter;
use lm::LanguageModel;

use super::{SingularLora, SingularStart};
use crate::error::ContinualError;
use crate::method::{MemoryNeeds, Method, MethodInputs, MethodKind};
use crate::methods::adapters::settings::AdapterConfig;

/// `milora` or `pissa`: an adapter that starts as singular triplets of the weight.
pub struct SingularLoraKind(SingularStart);

impl SingularLoraKind {
    /// `milora`: the smallest singular values.
    pub fn smallest() -> Self {
        Self(SingularStart::Smallest)
    }

    /// `pissa`: the largest singular values.
    pub fn largest() -> Self {
        Self(SingularStart::Largest)
    }
}

impl<M: LanguageModel + 'static> MethodKind<M> for SingularLoraKind {
    type Settings = AdapterConfig;

    fn name(&self) -> &str {
        self.0.name()
    }

    fn help(&self) -> &str {
        match self.0 {
            SingularStart::Smallest => {
                "One adapter through all tasks that starts as the smallest singular values of the weight (MiLoRA)"
            }
            SingularStart::Largest => {
                "One adapter through all tasks that starts as the largest singular values of the weight (PiSSA)"
            }
        }
    }

    /// Rank and `alpha` are equal, as in both papers: the adapter's scale is 1.
    fn defaults(&self) -> AdapterConfig {
        AdapterConfig::for_queries_and_values(32, 32.0)
    }

    fn checked(&self, settings: AdapterConfig) -> Result<AdapterConfig, ContinualError> {
        settings.validate()?;
        Ok(settings)
    }

    fn learns_adapter(&self) -> bool {
        true
    }

    fn memory(&self, settings: &AdapterConfig, model: &M) -> Result<MemoryNeeds, ContinualError> {
        let needs = settings.memory::<LoraAdapter, 2>(model)?;
        Ok(MemoryNeeds {
            // With the factors that the adapters started with.
            attached: 2 * needs.attached,
            splits: true,
            ..needs
        })
    }

    fn build(
        &self,
        settings: AdapterConfig,
        _inputs: MethodInputs<'_>,
    ) -> Result<Box<dyn Method<M>>, ContinualError> {
        Ok(Box::new(SingularLora::new(settings, self.0)?))
    }
}
