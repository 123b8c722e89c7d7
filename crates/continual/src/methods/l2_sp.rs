//! L2-SP: fine-tuning of all parameters with a pull towards the weights that the task starts from.

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use lm::LanguageModel;
use serde::{Deserialize, Serialize};

use super::quadratic::add_pull;
use super::settings::check_strength;
use super::task_start::TaskStart;
use crate::checkpoint::{Checkpoint, StatePart};
use crate::error::ContinualError;
use crate::method::{
    MemoryNeeds, Method, MethodInputs, MethodKind, SearchedSetting, TaskContext, TaskDiagnostics,
};

/// L2-SP: adds `λ/2 Σ (W - W_start)²` over all parameters to the loss. `W_start` are the weights at the start of the
/// task.
///
/// The penalty's gradient is added before clipping, so it counts in the reported gradient norm, and AdamW divides it by
/// the root of its second moment like every gradient. The paper's second term, on parameters that the starting point
/// lacks, has nothing to act on: a language model keeps its head.
///
/// # References
///
/// Li, Grandvalet, Davoine, "Explicit Inductive Bias for Transfer Learning with Convolutional Networks", ICML 2018,
/// section 3.
#[derive(Clone, Debug)]
pub struct L2Sp<M> {
    config: L2SpConfig,
    start: TaskStart<M>,
}

/// Settings of [`L2Sp`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L2SpConfig {
    /// The factor `λ` of the penalty, 0 or above; 0 is sequential fine-tuning.
    pub strength: f64,
}

impl Default for L2SpConfig {
    /// What public implementations start from; usual values are 0.0001 to 0.1.
    fn default() -> Self {
        Self { strength: 0.01 }
    }
}

impl L2SpConfig {
    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`].
    pub fn validate(&self) -> Result<(), ContinualError> {
        check_strength(self.strength)
    }
}

impl<M> L2Sp<M> {
    /// L2-SP with one strength for all tasks.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`].
    pub fn new(config: L2SpConfig) -> Result<Self, ContinualError> {
        config.validate()?;
        Ok(Self {
            config,
            start: TaskStart::default(),
        })
    }
}

impl<M: Module> Method<M> for L2Sp<M> {
    fn begin_task(
        &mut self,
        model: M,
        context: TaskContext<'_>,
    ) -> Result<(M, ModuleOptimizer), ContinualError> {
        self.start.begin(context.index, &model);
        let optimizer = context.optimizer.for_module(&model)?;
        Ok((model.set_require_grad(true), optimizer))
    }

    fn project(&self, model: &M, grads: GradientsParams) -> GradientsParams {
        match self.start.model() {
            Some(start) => add_pull(model, grads, self.config.strength, start, None),
            None => grads,
        }
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

/// L2-SP in the registry.
pub struct L2SpKind;

impl<M: LanguageModel + 'static> MethodKind<M> for L2SpKind {
    type Settings = L2SpConfig;

    fn name(&self) -> &str {
        "l2-sp"
    }

    fn help(&self) -> &str {
        "Fine-tuning of all parameters with a pull towards the weights at the start of the task"
    }

    fn defaults(&self) -> L2SpConfig {
        L2SpConfig::default()
    }

    fn checked(&self, settings: L2SpConfig) -> Result<L2SpConfig, ContinualError> {
        settings.validate()?;
        Ok(settings)
    }

    fn label(&self, settings: &L2SpConfig) -> String {
        format!("l2-sp {}", settings.strength)
    }

    fn memory(&self, _settings: &L2SpConfig, model: &M) -> Result<MemoryNeeds, ContinualError> {
        let parameters = model.num_params();
        Ok(MemoryNeeds {
            // The weights at the start of the task.
            attached: 4 * parameters,
            ..MemoryNeeds::of_weights(parameters, parameters)
        })
    }

    fn searched(&self, _settings: &L2SpConfig) -> Vec<SearchedSetting> {
        vec![SearchedSetting::logarithmic("strength", 1e-4, 0.1)]
    }

    fn build(
        &self,
        settings: L2SpConfig,
        _inputs: MethodInputs<'_>,
    ) -> Result<Box<dyn Method<M>>, ContinualError> {
        Ok(Box::new(L2Sp::new(settings)?))
    }
}
