//! Learning without forgetting: the model's answers to the current rows stay close to those at the start of the task.

use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;
use lm::{Example, LanguageModel, Unmapped};
use serde::{Deserialize, Serialize};

use super::distillation::{MATRICES, divergence};
use super::settings::{check_strength, check_temperature};
use super::task_start::TaskStart;
use crate::checkpoint::{Checkpoint, StatePart};
use crate::error::ContinualError;
use crate::method::{
    ComparedProbabilities, MemoryNeeds, Method, MethodInputs, MethodKind, SearchedSetting,
    TaskContext, TaskDiagnostics,
};

/// Learning without forgetting: adds `α T² KL(p_old ‖ p_new)`, the mean over the answer tokens of the step's rows.
/// `p_old` are the probabilities of the model at the start of the task, computed on the same rows.
///
/// The paper has a head per task and compares the answers of the old heads; here one head answers everything. A step
/// needs one more forward pass of the old model and one more forward and backward pass of the new one, both without
/// activation checkpointing, and holds the probabilities of a whole micro-batch. The term's gradient counts in the
/// reported gradient norm, but the term does not count in the reported loss.
///
/// # References
///
/// Li, Hoiem, "Learning without Forgetting", ECCV 2016, section 3.
#[derive(Clone, Debug)]
pub struct Lwf<M> {
    config: LwfConfig,
    start: TaskStart<M>,
}

/// Settings of [`Lwf`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LwfConfig {
    /// The factor `α` of the term, 0 or above; 0 is sequential fine-tuning.
    pub strength: f64,
    /// The temperature `T`, from 0.01 to 100.
    pub temperature: f64,
    /// Whether the first task keeps the answers of the base model; if not, the term begins with the second task.
    pub retain_base: bool,
}

impl Default for LwfConfig {
    /// The paper's temperature. Its factor of 1, without `T²`, is `strength = 1 / T²` here; the default is that of Hinton et al.,
    /// "Distilling the Knowledge in a Neural Network", which multiplies by `T²`. As in the paper, the base model is a
    /// network that was trained before, whose answers are kept from the first new task on.
    fn default() -> Self {
        Self {
            strength: 1.0,
            temperature: 2.0,
            retain_base: true,
        }
    }
}

impl LwfConfig {
    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`].
    pub fn validate(&self) -> Result<(), ContinualError> {
        check_strength(self.strength)?;
        check_temperature(self.temperature)
    }
}

impl<M> Lwf<M> {
    /// Learning without forgetting with one strength for all tasks.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`].
    pub fn new(config: LwfConfig) -> Result<Self, ContinualError> {
        config.validate()?;
        Ok(Self {
            config,
            start: TaskStart::default(),
        })
    }
}

impl<M: LanguageModel> Method<M> for Lwf<M> {
    fn begin_task(
        &mut self,
        model: M,
        context: TaskContext<'_>,
    ) -> Result<(M, ModuleOptimizer), ContinualError> {
        if self.config.retain_base || context.index > 0 {
            self.start.begin(context.index, &model);
        }
        let optimizer = context.optimizer.for_module(&model)?;
        Ok((model.set_require_grad(true), optimizer))
    }

    fn row_penalty(&self, model: &M, rows: &[Example]) -> Option<Tensor<1>> {
        let LwfConfig {
            strength,
            temperature,
            ..
        } = self.config;
        let start = self.start.model()?;
        (strength > 0.0).then(|| divergence(start, model, rows, temperature, &Unmapped) * strength)
    }

    fn state(&self) -> Vec<StatePart<'_>> {
        self.start.part().into_iter().collect()
    }

    fn restore(&mut self, base: &M, saved: &Checkpoint) -> Result<(), ContinualError> {
        self.start.restore(base, saved)
    }

    fn end_task(
        &mut self,
        model: M,
        _context: TaskContext<'_>,
    ) -> Result<(M, TaskDiagnostics), ContinualError> {
        self.start.end();
        let diagnostics = TaskDiagnostics::of_all_parameters(&model);
        Ok((model, diagnostics))
    }
}

/// Learning without forgetting in the registry.
pub struct LwfKind;

impl<M: LanguageModel + 'static> MethodKind<M> for LwfKind {
    type Settings = LwfConfig;

    fn name(&self) -> &str {
        "lwf"
    }

    fn help(&self) -> &str {
        "Learning without forgetting: answers to the new rows stay close to those of the model before the task"
    }

    fn defaults(&self) -> LwfConfig {
        LwfConfig::default()
    }

    fn checked(&self, settings: LwfConfig) -> Result<LwfConfig, ContinualError> {
        settings.validate()?;
        Ok(settings)
    }

    fn label(&self, settings: &LwfConfig) -> String {
        let since = match settings.retain_base {
            true => "",
            false => " from task 2",
        };
        format!("lwf {}{since}", settings.strength)
    }

    fn memory(&self, _settings: &LwfConfig, model: &M) -> Result<MemoryNeeds, ContinualError> {
        let parameters = model.num_params();
        Ok(MemoryNeeds {
            // The weights at the start of the task.
            attached: 4 * parameters,
            compared: Some(ComparedProbabilities {
                matrices: MATRICES,
                rows: None,
            }),
            ..MemoryNeeds::of_weights(parameters, parameters)
        })
    }

    fn searched(&self, _settings: &LwfConfig) -> Vec<SearchedSetting> {
        vec![SearchedSetting::logarithmic("strength", 0.1, 10.0)]
    }

    fn build(
        &self,
        settings: LwfConfig,
        _inputs: MethodInputs<'_>,
    ) -> Result<Box<dyn Method<M>>, ContinualError> {
        Ok(Box::new(Lwf::new(settings)?))
    }
}
