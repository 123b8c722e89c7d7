//! Learning without forgetting on generated rows in the registry, and its settings.

use lm::LanguageModel;
use serde::{Deserialize, Serialize};

use super::LwfGenerated;
use crate::error::ContinualError;
use crate::method::{
    ComparedProbabilities, KindVariant, MemoryNeeds, Method, MethodInputs, MethodKind,
    SearchedSetting,
};
use crate::methods::distillation::MATRICES;
use crate::methods::settings::{check, check_strength, check_temperature};

/// Name of the kind.
pub const LWF_GENERATED: &str = "lwf-generated";

/// Settings of [`LwfGenerated`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LwfGeneratedConfig {
    /// The factor `α` of the term, 0 or above; 0 is sequential fine-tuning.
    pub strength: f64,
    /// The temperature `T`, from 0.01 to 100.
    pub temperature: f64,
    /// Number of rows that are generated for every task, at least 1.
    pub rows: usize,
    /// Number of tokens of a generated row, at least 2.
    pub tokens: usize,
    /// Number of generated rows of a step, at least 1.
    pub rows_per_step: usize,
}

impl Default for LwfGeneratedConfig {
    /// Factor and temperature are those of learning without forgetting. The numbers of rows are our own choice: with
    /// them, a task of 8 rows per step costs about twice as much.
    fn default() -> Self {
        Self {
            strength: 1.0,
            temperature: 2.0,
            rows: 256,
            tokens: 64,
            rows_per_step: 8,
        }
    }
}

/// More rows than any task would be worth.
const MOST_ROWS: usize = 1_000_000;
/// More tokens than any model reads at a time.
const MOST_TOKENS: usize = 1_000_000;

impl LwfGeneratedConfig {
    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`].
    pub fn validate(&self) -> Result<(), ContinualError> {
        check_strength(self.strength)?;
        check_temperature(self.temperature)?;
        let rows = (1..=MOST_ROWS).contains(&self.rows);
        check(rows, "rows", self.rows, "from 1 to 1000000")?;
        // A decoder-only model predicts nothing in a row of one token.
        let tokens = (2..=MOST_TOKENS).contains(&self.tokens);
        check(tokens, "tokens", self.tokens, "from 2 to 1000000")?;
        let count = self.rows_per_step;
        check(count > 0, "rows_per_step", count, "at least 1")
    }
}

/// Learning without forgetting on generated rows in the registry.
pub struct LwfGeneratedKind;

impl<M: LanguageModel + 'static> MethodKind<M> for LwfGeneratedKind {
    type Settings = LwfGeneratedConfig;

    fn name(&self) -> &str {
        LWF_GENERATED
    }

    fn help(&self) -> &str {
        "Learning without forgetting on text that the model itself generates before every task"
    }

    fn defaults(&self) -> LwfGeneratedConfig {
        LwfGeneratedConfig::default()
    }

    fn checked(&self, settings: LwfGeneratedConfig) -> Result<LwfGeneratedConfig, ContinualError> {
        settings.validate()?;
        Ok(settings)
    }

    fn label(&self, settings: &LwfGeneratedConfig) -> String {
        format!("{LWF_GENERATED} {}", settings.strength)
    }

    fn memory(
        &self,
        settings: &LwfGeneratedConfig,
        model: &M,
    ) -> Result<MemoryNeeds, ContinualError> {
        let parameters = model.num_params();
        Ok(MemoryNeeds {
            // The weights at the start of the task.
            attached: 4 * parameters,
            compared: Some(ComparedProbabilities {
                matrices: MATRICES,
                rows: Some([settings.rows_per_step.min(settings.rows), settings.tokens]),
            }),
            ..MemoryNeeds::of_weights(parameters, parameters)
        })
    }

    /// None: a timing has no tokenizer, whose vocabulary the generated rows need.
    fn variants(&self) -> Vec<KindVariant> {
        Vec::new()
    }

    fn searched(&self, _settings: &LwfGeneratedConfig) -> Vec<SearchedSetting> {
        vec![SearchedSetting::logarithmic("strength", 0.1, 10.0)]
    }

    fn build(
        &self,
        settings: LwfGeneratedConfig,
        inputs: MethodInputs<'_>,
    ) -> Result<Box<dyn Method<M>>, ContinualError> {
        let method = LwfGenerated::new(settings, inputs.vocabulary, inputs.seed)?;
        Ok(Box::new(method))
    }
}
