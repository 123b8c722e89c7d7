//! Per-task fine-tuning: every task starts from the base model; the tasks share nothing and forget
//! nothing.

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use lm::LanguageModel;

use super::NoSettings;
use crate::checkpoint::Checkpoint;
use crate::error::ContinualError;
use crate::method::{Method, MethodInputs, MethodKind, TaskContext};
use crate::protocol::Protocol;

/// Per-task fine-tuning in the registry.
pub struct PerTaskKind;

impl<M: LanguageModel + 'static> MethodKind<M> for PerTaskKind {
    type Settings = NoSettings;

    fn name(&self) -> &str {
        "per-task"
    }

    fn help(&self) -> &str {
        "Fine-tuning of all parameters from the base model, one model per task: for comparison"
    }

    fn defaults(&self) -> NoSettings {
        NoSettings {}
    }

    fn protocol(&self) -> Protocol {
        Protocol::Independent
    }

    fn build(
        &self,
        _settings: NoSettings,
        _inputs: MethodInputs<'_>,
    ) -> Result<Box<dyn Method<M>>, ContinualError> {
        Ok(Box::new(PerTaskFt::new()))
    }
}

/// Fine-tuning of all parameters from the base model, one model per task.
///
/// It is not a practical method, because it needs one model per task. It shows how well a task can
/// be learned alone.
#[derive(Clone, Debug, Default)]
pub struct PerTaskFt<M> {
    base: Option<M>,
}

impl<M> PerTaskFt<M> {
    /// Uses the first task's model as the base model of every task.
    pub fn new() -> Self {
        Self { base: None }
    }
}

impl<M: Module> Method<M> for PerTaskFt<M> {
    fn protocol(&self) -> Protocol {
        Protocol::Independent
    }

    fn begin_task(
        &mut self,
        model: M,
        context: TaskContext<'_>,
    ) -> Result<(M, ModuleOptimizer), ContinualError> {
        let optimizer = context.optimizer.for_module(&model)?;
        let base = self.base.get_or_insert(model);
        Ok((base.clone().set_require_grad(true), optimizer))
    }

    fn restore(&mut self, base: &M, _saved: &Checkpoint) -> Result<(), ContinualError> {
        self.base = Some(base.clone());
        Ok(())
    }
}
