//! OSFT: protect directions of every target weight, train inside the rest.

use ::osft::{Osft, OsftConfig};
use burn::module::Module;
use burn::optim::{AdamW, GradientsParams, ModuleOptimizer};

use super::{Method, TaskDiagnostics};
use crate::ContinualError;

/// Orthogonal Subspace Fine-Tuning; the split is made anew for every task from the weights as
/// they are, and everything that is not a target is frozen.
#[derive(Clone, Debug)]
pub struct OsftMethod {
    config: OsftConfig,
    split: Option<Osft>,
}

impl OsftMethod {
    /// OSFT with one configuration for all tasks.
    pub fn new(config: OsftConfig) -> Self {
        Self {
            config,
            split: None,
        }
    }
}

impl<M: Module> Method<M> for OsftMethod {
    fn name(&self) -> &str {
        "osft"
    }

    fn begin_task(
        &mut self,
        model: M,
        inner: AdamW,
    ) -> Result<(M, ModuleOptimizer), ContinualError> {
        let split = Osft::split(&model, &self.config)?;
        let model = split.freeze_others(model);
        let optimizer = split.optimizer(inner);
        self.split = Some(split);
        Ok((model, optimizer))
    }

    fn project(&self, grads: GradientsParams) -> GradientsParams {
        match &self.split {
            Some(split) => split.project(grads),
            None => grads,
        }
    }

    fn end_task(&mut self, model: &M) -> Result<TaskDiagnostics, ContinualError> {
        let Some(split) = self.split.take() else {
            return Ok(TaskDiagnostics::default());
        };
        Ok(TaskDiagnostics {
            trainable_parameters: split.free_parameters(),
            leaks: Some(split.leaks(model)?),
            table: Some(split.to_string()),
        })
    }
}
