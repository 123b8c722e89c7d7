//! Plain fine-tuning of the tensors that OSFT trains: what its steps are compared with.

use burn::module::{Module, ParamGroup, ParamId};
use burn::optim::{AdamW, ModuleOptimizer};
use continual::{ContinualError, Method, TaskContext, TaskDiagnostics};
use osft::Targets;

/// Trains the targets, freezes everything else, protects nothing.
pub struct PlainTargets(pub Targets);

impl<M: Module> Method<M> for PlainTargets {
    fn name(&self) -> &str {
        "plain"
    }

    fn begin_task(
        &mut self,
        model: M,
        inner: AdamW,
        _context: TaskContext<'_>,
    ) -> Result<(M, ModuleOptimizer), ContinualError> {
        let targets = self.0.selected(&model)?;
        let ids: Vec<ParamId> = targets.iter().map(|target| target.id).collect();
        let model = model
            .no_grad()
            .set_require_grad_group(ParamGroup::from_ids(ids), true);
        Ok((model, inner.into()))
    }

    fn end_task(
        &mut self,
        model: M,
        _context: TaskContext<'_>,
    ) -> Result<(M, TaskDiagnostics), ContinualError> {
        Ok((model, TaskDiagnostics::default()))
    }
}
