//! Joint multi-task fine-tuning: all tasks at once, for comparison.

use burn::module::Module;
use burn::optim::{AdamW, ModuleOptimizer};

use super::{Method, TaskContext, TaskDiagnostics};
use crate::{ContinualError, Protocol};

/// Fine-tuning of all parameters on the rows of all tasks, mixed.
///
/// Not a continual method, since it needs all data at the same time: what one model can hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct MultiTaskFt;

impl<M: Module> Method<M> for MultiTaskFt {
    fn name(&self) -> &str {
        "multi-task"
    }

    fn protocol(&self) -> Protocol {
        Protocol::Joint
    }

    fn begin_task(
        &mut self,
        model: M,
        inner: AdamW,
        _context: TaskContext<'_>,
    ) -> Result<(M, ModuleOptimizer), ContinualError> {
        Ok((model.set_require_grad(true), inner.into()))
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
