//! Elastic weight consolidation in the registry, and its settings.

use lm::LanguageModel;
use serde::{Deserialize, Serialize};

use super::Ewc;
use crate::error::ContinualError;
use crate::method::{
    CalibrationUse, KindVariant, MemoryNeeds, Method, MethodInputs, MethodKind, SearchedSetting,
};
use crate::methods::settings::{check, check_strength};

/// Settings of [`Ewc`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EwcConfig {
    /// The factor `λ` of the penalty, 0 or above; 0 is sequential fine-tuning.
    pub strength: f64,
    /// The factor `γ` of the earlier Fisher information when a task ends, from 0 to 1: 1 sums over all tasks, 0 keeps
    /// the last task's.
    pub decay: f64,
    /// Number of a task's training rows, at even distances, for its Fisher information; 0 takes all.
    pub rows: usize,
    /// Whether the first task is held to the base model too, by the Fisher information on the rows that stand for what
    /// it knows. With text that the model generates itself, its own samples take the place of labels, but for the first tokens of a
    /// text, which are drawn otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protect_base: bool,
}

impl Default for EwcConfig {
    /// The number that TRACE uses, though its Fisher information is of the mean loss of a batch's tokens and this one of
    /// the sum over a row's, which is larger: search the strength. No decay, as in van de Ven's implementation; 256 rows
    /// are our own choice, at the cost of one backward pass each.
    fn default() -> Self {
        Self {
            strength: 400.0,
            decay: 1.0,
            rows: 256,
            protect_base: false,
        }
    }
}

impl EwcConfig {
    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`].
    pub fn validate(&self) -> Result<(), ContinualError> {
        check_strength(self.strength)?;
        let is_share = (0.0..=1.0).contains(&self.decay);
        check(is_share, "decay", self.decay, "from 0 to 1")
    }
}

/// Elastic weight consolidation in the registry.
pub struct EwcKind;

impl<M: LanguageModel + 'static> MethodKind<M> for EwcKind {
    type Settings = EwcConfig;

    fn name(&self) -> &str {
        "ewc"
    }

    fn help(&self) -> &str {
        "Elastic weight consolidation: a pull towards earlier weights, by their Fisher information"
    }

    fn defaults(&self) -> EwcConfig {
        EwcConfig::default()
    }

    fn checked(&self, settings: EwcConfig) -> Result<EwcConfig, ContinualError> {
        settings.validate()?;
        Ok(settings)
    }

    fn label(&self, settings: &EwcConfig) -> String {
        let decay = match settings.decay {
            1.0 => String::new(),
            decay => format!(" decay {decay}"),
        };
        let base = match settings.protect_base {
            true => " with base",
            false => "",
        };
        format!("ewc {}{decay}{base}", settings.strength)
    }

    fn calibration(&self, settings: &EwcConfig) -> CalibrationUse {
        match settings.protect_base {
            true => CalibrationUse::Needed,
            false => CalibrationUse::Never,
        }
    }

    fn memory(&self, _settings: &EwcConfig, model: &M) -> Result<MemoryNeeds, ContinualError> {
        let parameters = model.num_params();
        Ok(MemoryNeeds {
            // The Fisher information and the weights at the start of the task.
            attached: 8 * parameters,
            ..MemoryNeeds::of_weights(parameters, parameters)
        })
    }

    /// None: a timing runs the steps of a first task, which has no penalty.
    fn variants(&self) -> Vec<KindVariant> {
        Vec::new()
    }

    fn searched(&self, _settings: &EwcConfig) -> Vec<SearchedSetting> {
        // The Fisher information is not normalized: its size depends on the model and on the lengths of answers.
        vec![SearchedSetting::logarithmic("strength", 0.1, 1e5)]
    }

    fn build(
        &self,
        settings: EwcConfig,
        inputs: MethodInputs<'_>,
    ) -> Result<Box<dyn Method<M>>, ContinualError> {
        let mut method = Ewc::new(settings)?;
        if let (true, Some(data)) = (settings.protect_base, inputs.calibration) {
            method = method.with_base(data.base.clone(), data.base_weight);
        }
        Ok(Box::new(method))
    }
}
