//! Per-task fine-tuning: every task from the base model, nothing shared, nothing forgotten.

use burn::module::Module;
use burn::optim::{AdamW, ModuleOptimizer};

use super::{Method, TaskContext, TaskDiagnostics};
use crate::checkpoint::Checkpoint;
use crate::{ContinualError, Protocol};

/// Fine-tuning of all parameters from the base model, one model per task.
///
/// Not a method to use, since it needs as many models as tasks: what one task can reach on its own.
#[derive(Clone, Debug, Default)]
pub struct PerTaskFt<M> {
    base: Option<M>,
}

impl<M> PerTaskFt<M> {
    /// Starts every task from the model that the first one is given.
    pub fn new() -> Self {
        Self { base: None }
    }
}

impl<M: Module> Method<M> for PerTaskFt<M> {
    fn name(&self) -> &str {
        "per-task"
    }

    fn protocol(&self) -> Protocol {
        Protocol::Independent
    }

    fn begin_task(
        &mut self,
        model: M,
        inner: AdamW,
        _context: TaskContext<'_>,
    ) -> Result<(M, ModuleOptimizer), ContinualError> {
        let base = self.base.get_or_insert(model);
        Ok((base.clone().set_require_grad(true), inner.into()))
    }

    fn restore(&mut self, base: &M, _saved: &Checkpoint) -> Result<(), ContinualError> {
        self.base = Some(base.clone());
        Ok(())
    }

    fn end_task(
        &mut self,
        model: M,
        _context: TaskContext<'_>,
    ) -> Result<(M, TaskDiagnostics), ContinualError> {
        let diagnostics = TaskDiagnostics::of_all_parameters(&model);
        Ok((model, diagnostics))
    }
}
