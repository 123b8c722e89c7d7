//! SeqSVD in the registry.

use lm::LanguageModel;

use super::{SeqSvdConfig, SeqSvdMethod};
use crate::error::ContinualError;
use crate::method::{MemoryNeeds, Method, MethodInputs, MethodKind, SearchedSetting};
use crate::methods::adapters::settings::AdapterConfig;
use crate::methods::adapters::svd_form::SvdAdapter;

/// `seq-svd`: an adapter in the form of a singular value decomposition.
pub struct SeqSvdKind;

impl<M: LanguageModel + 'static> MethodKind<M> for SeqSvdKind {
    type Settings = SeqSvdConfig;

    fn name(&self) -> &str {
        "seq-svd"
    }

    fn help(&self) -> &str {
        "One adapter in the form of a singular value decomposition, trained through all tasks"
    }

    /// AdaLoRA's weight of 0.1 is for the mean of norms that are not squared, as its code has them. The sum of squares
    /// in its paper, which is taken here, is larger by about the number of factors.
    fn defaults(&self) -> SeqSvdConfig {
        let AdapterConfig {
            targets,
            adapter_rank,
            alpha,
        } = AdapterConfig::for_queries_and_values(8, 32.0);
        SeqSvdConfig {
            targets,
            adapter_rank,
            alpha,
            orthogonality: 0.001,
        }
    }

    fn checked(&self, settings: SeqSvdConfig) -> Result<SeqSvdConfig, ContinualError> {
        settings.validate()?;
        Ok(settings)
    }

    fn learns_adapter(&self) -> bool {
        true
    }

    fn memory(&self, settings: &SeqSvdConfig, model: &M) -> Result<MemoryNeeds, ContinualError> {
        settings.adapters().memory::<SvdAdapter, 3>(model)
    }

    fn searched(&self, _settings: &SeqSvdConfig) -> Vec<SearchedSetting> {
        vec![SearchedSetting::logarithmic("orthogonality", 1e-5, 0.1)]
    }

    fn build(
        &self,
        settings: SeqSvdConfig,
        inputs: MethodInputs<'_>,
    ) -> Result<Box<dyn Method<M>>, ContinualError> {
        Ok(Box::new(SeqSvdMethod::new(&settings, inputs.seed)?))
    }
}
