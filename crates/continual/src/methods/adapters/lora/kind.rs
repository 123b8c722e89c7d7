//! `lora` and `o-lora` in the registry.

use burn::module::LoraAdapter;
use lm::LanguageModel;

use super::{LoraConfig, LoraMethod, OrthogonalityOn, PerTaskValue};
use crate::error::ContinualError;
use crate::method::{MemoryNeeds, Method, MethodInputs, MethodKind, SearchedSetting};
use crate::methods::adapters::settings::AdapterConfig;

/// Low-rank adapters in the registry: one adapter for all tasks, or a new one per task.
pub struct LoraKind(Which);

#[derive(Clone, Copy)]
enum Which {
    Sequential,
    Orthogonal,
}

impl LoraKind {
    /// `lora`: one adapter for all tasks.
    pub fn sequential() -> Self {
        Self(Which::Sequential)
    }

    /// `o-lora`: a new adapter per task, orthogonal to the earlier ones.
    pub fn orthogonal() -> Self {
        Self(Which::Orthogonal)
    }
}

impl<M: LanguageModel + 'static> MethodKind<M> for LoraKind {
    type Settings = LoraConfig;

    fn name(&self) -> &str {
        match self.0 {
            Which::Sequential => "lora",
            Which::Orthogonal => "o-lora",
        }
    }

    fn help(&self) -> &str {
        match self.0 {
            Which::Sequential => "One low-rank adapter, trained through all tasks",
            Which::Orthogonal => {
                "A new low-rank adapter per task, kept orthogonal to those before it"
            }
        }
    }

    fn defaults(&self) -> LoraConfig {
        let AdapterConfig {
            targets,
            adapter_rank,
            alpha,
        } = AdapterConfig::for_queries_and_values(8, 32.0);
        LoraConfig {
            targets,
            adapter_rank,
            alpha,
            orthogonality: match self.0 {
                Which::Sequential => PerTaskValue::default(),
                Which::Orthogonal => PerTaskValue::All(0.5),
            },
            size: PerTaskValue::default(),
            orthogonality_on: OrthogonalityOn::default(),
        }
    }

    fn checked(&self, settings: LoraConfig) -> Result<LoraConfig, ContinualError> {
        settings.validate()?;
        let penalties = (
            &settings.orthogonality,
            &settings.size,
            settings.orthogonality_on,
        );
        let without = (
            &PerTaskValue::default(),
            &PerTaskValue::default(),
            OrthogonalityOn::default(),
        );
        if matches!(self.0, Which::Sequential) && penalties != without {
            return Err(ContinualError::InvalidSetting {
                name: "orthogonality, size or orthogonality_on",
                found: "set for lora".to_string(),
                expected: "left out: one adapter has no other to be kept apart from, and o-lora has these penalties",
            });
        }
        Ok(settings)
    }

    fn label(&self, settings: &LoraConfig) -> String {
        match (self.0, settings.orthogonality_on) {
            (Which::Sequential, _) => "lora".to_string(),
            (Which::Orthogonal, OrthogonalityOn::A) => "o-lora".to_string(),
            (Which::Orthogonal, OrthogonalityOn::B) => "o-lora on b".to_string(),
        }
    }

    fn learns_adapter(&self) -> bool {
        matches!(self.0, Which::Sequential)
    }

    fn memory(&self, settings: &LoraConfig, model: &M) -> Result<MemoryNeeds, ContinualError> {
        settings.adapters().memory::<LoraAdapter, 2>(model)
    }

    fn searched(&self, _settings: &LoraConfig) -> Vec<SearchedSetting> {
        match self.0 {
            Which::Sequential => Vec::new(),
            Which::Orthogonal => vec![SearchedSetting::logarithmic("orthogonality", 0.05, 5.0)],
        }
    }

    fn build(
        &self,
        settings: LoraConfig,
        inputs: MethodInputs<'_>,
    ) -> Result<Box<dyn Method<M>>, ContinualError> {
        Ok(Box::new(match self.0 {
            Which::Sequential => LoraMethod::sequential(settings, inputs.seed)?,
            Which::Orthogonal => LoraMethod::orthogonal(settings, inputs.seed)?,
        }))
    }
}
