//! The two methods with low-rank adapters in the registry.

use lm::LanguageModel;
use osft::Targets;

use super::{AdapterSequence, LoraConfig, LoraMethod, PerTaskValue};
use crate::error::ContinualError;
use crate::method::{MemoryNeeds, Method, MethodInputs, MethodKind};

/// Query and value projections under the names of LLaMA and T5, as in the settings of the O-LoRA
/// paper.
const TARGETS: &str = r"((q|v)_proj|Attention\.[qv])\.weight$";

/// Low-rank adapters in the registry: one adapter for all tasks, or a new one per task.
pub struct LoraKind(AdapterSequence);

impl LoraKind {
    /// `lora`: one adapter for all tasks.
    pub fn sequential() -> Self {
        Self(AdapterSequence::Sequential)
    }

    /// `o-lora`: a new adapter per task, orthogonal to the earlier ones.
    pub fn orthogonal() -> Self {
        Self(AdapterSequence::Orthogonal)
    }
}

impl<M: LanguageModel + 'static> MethodKind<M> for LoraKind {
    type Settings = LoraConfig;

    fn name(&self) -> &str {
        match self.0 {
            AdapterSequence::Sequential => "lora",
            AdapterSequence::Orthogonal => "o-lora",
        }
    }

    fn help(&self) -> &str {
        match self.0 {
            AdapterSequence::Sequential => "One low-rank adapter, trained through all tasks",
            AdapterSequence::Orthogonal => {
                "A new low-rank adapter per task, kept orthogonal to those before it"
            }
        }
    }

    fn defaults(&self) -> LoraConfig {
        LoraConfig {
            targets: Targets::matching([TARGETS]),
            adapter_rank: 8,
            alpha: 32.0,
            orthogonality: match self.0 {
                AdapterSequence::Sequential => PerTaskValue::default(),
                AdapterSequence::Orthogonal => PerTaskValue::All(0.5),
            },
            size: PerTaskValue::default(),
        }
    }

    fn checked(&self, settings: LoraConfig) -> Result<LoraConfig, ContinualError> {
        settings.validate()?;
        Ok(settings)
    }

    fn memory(&self, settings: &LoraConfig, model: &M) -> Result<MemoryNeeds, ContinualError> {
        // This also looks up the targets, the setting that is wrong most often.
        let adapters = settings.adapter_parameters(model)?;
        let targets = settings.targets.selected(model)?.into_iter();
        let targets = targets
            .map(|target| target.shape[0] * target.shape[1])
            .sum();
        Ok(MemoryNeeds::of_adapters(
            model.num_params(),
            targets,
            adapters,
        ))
    }

    fn build(
        &self,
        settings: LoraConfig,
        inputs: MethodInputs<'_>,
    ) -> Result<Box<dyn Method<M>>, ContinualError> {
        Ok(Box::new(LoraMethod::new(settings, self.0, inputs.seed)?))
    }
}
