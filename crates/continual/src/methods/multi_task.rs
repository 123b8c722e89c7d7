//! Joint multi-task fine-tuning on all tasks at once, as a reference for the continual methods.

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use lm::LanguageModel;

use super::NoSettings;
use crate::error::ContinualError;
use crate::method::{Method, MethodInputs, MethodKind, TaskContext};
use crate::protocol::Protocol;

/// Joint multi-task fine-tuning in the registry.
pub struct MultiTaskKind;

impl<M: LanguageModel + 'static> MethodKind<M> for MultiTaskKind {
    type Settings = NoSettings;

    fn name(&self) -> &str {
        "multi-task"
    }

    fn help(&self) -> &str {
        "Fine-tuning of all parameters on all tasks at once: for comparison"
    }

    fn defaults(&self) -> NoSettings {
        NoSettings {}
    }

    fn protocol(&self) -> Protocol {
        Protocol::Joint
    }

    fn build(
        &self,
        _settings: NoSettings,
        _inputs: MethodInputs<'_>,
    ) -> Result<Box<dyn Method<M>>, ContinualError> {
        Ok(Box::new(MultiTaskFt))
    }
}

/// Fine-tuning of all parameters on the shuffled rows of all tasks.
///
/// It is not a continual method, because it needs the data of all tasks at the same time. It shows
/// how much one model can learn.
#[derive(Clone, Copy, Debug, Default)]
pub struct MultiTaskFt;

impl<M: Module> Method<M> for MultiTaskFt {
    fn protocol(&self) -> Protocol {
        Protocol::Joint
    }

    fn begin_task(
        &mut self,
        model: M,
        context: TaskContext<'_>,
    ) -> Result<(M, ModuleOptimizer), ContinualError> {
        let optimizer = context.optimizer.for_module(&model)?;
        Ok((model.set_require_grad(true), optimizer))
    }
}
