//! Sequential fine-tuning: train on each task in turn, protect nothing.

use burn::module::Module;
use burn::optim::{AdamW, ModuleOptimizer};

use super::{Method, TaskContext, TaskDiagnostics};
use crate::ContinualError;

/// Sequential fine-tuning (SeqFT) of all parameters.
#[derive(Clone, Copy, Debug, Default)]
pub struct SeqFt;

impl<M: Module> Method<M> for SeqFt {
    fn name(&self) -> &str {
        "seqft"
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
