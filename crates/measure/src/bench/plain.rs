//! Plain fine-tuning of OSFT's targets: the reference for step times.

use burn::module::{Module, ParamGroup, ParamId};
use burn::optim::ModuleOptimizer;
use continual::method::KindVariant;
use continual::{ContinualError, Method, TaskContext, TaskDiagnostics};
use osft::Targets;
use toml::Table;

use super::PLAIN;

/// Not a practical method, so it is not in a registry.
pub fn variant() -> KindVariant {
    KindVariant {
        name: PLAIN.to_string(),
        label: PLAIN.to_string(),
        help: "Plain fine-tuning of the tensors that OSFT trains, everything else frozen"
            .to_string(),
        settings: Table::new(),
        axes: Vec::new(),
    }
}

/// Trains the targets, freezes everything else and protects nothing.
pub struct PlainTargets(pub Targets);

impl<M: Module> Method<M> for PlainTargets {
    fn begin_task(
        &mut self,
        model: M,
        context: TaskContext<'_>,
    ) -> Result<(M, ModuleOptimizer), ContinualError> {
        let targets = self.0.selected(&model)?;
        let ids: Vec<ParamId> = targets.iter().map(|target| target.id).collect();
        let model = model
            .no_grad()
            .set_require_grad_group(ParamGroup::from_ids(ids.clone()), true);
        Ok((model, context.optimizer.for_matrices(ids)))
    }

    fn multiplications(
        &self,
        _path: &str,
        [d_in, d_out]: [usize; 2],
        tokens: usize,
    ) -> Option<usize> {
        Some(3 * tokens * d_in * d_out)
    }

    fn end_task(
        &mut self,
        model: M,
        _context: TaskContext<'_>,
    ) -> Result<(M, TaskDiagnostics), ContinualError> {
        Ok((model, TaskDiagnostics::default()))
    }
}
