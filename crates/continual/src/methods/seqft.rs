//! Sequential fine-tuning: trains on one task after another, protects nothing.

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use lm::LanguageModel;

use super::NoSettings;
use crate::error::ContinualError;
use crate::method::{Method, MethodInputs, MethodKind, TaskContext};

/// Sequential fine-tuning (SeqFT) in the registry.
pub struct SeqFtKind;

impl<M: LanguageModel + 'static> MethodKind<M> for SeqFtKind {
    type Settings = NoSettings;

    fn name(&self) -> &str {
        "seqft"
    }

    fn help(&self) -> &str {
        "Sequential fine-tuning of all parameters"
    }

    fn defaults(&self) -> NoSettings {
        NoSettings {}
    }

    fn build(
        &self,
        _settings: NoSettings,
        _inputs: MethodInputs<'_>,
    ) -> Result<Box<dyn Method<M>>, ContinualError> {
        Ok(Box::new(SeqFt))
    }
}

/// Sequential fine-tuning (SeqFT) of all parameters.
#[derive(Clone, Copy, Debug, Default)]
pub struct SeqFt;

impl<M: Module> Method<M> for SeqFt {
    fn begin_task(
        &mut self,
        model: M,
        context: TaskContext<'_>,
    ) -> Result<(M, ModuleOptimizer), ContinualError> {
        let optimizer = context.optimizer.for_module(&model)?;
        Ok((model.set_require_grad(true), optimizer))
    }

    fn multiplications(&self, _path: &str, shape: [usize; 2], tokens: usize) -> Option<usize> {
        Some(plain_multiplications(shape, tokens))
    }
}

/// Multiplications of a plain training step in a layer with a weight of this shape.
pub(super) fn plain_multiplications([d_in, d_out]: [usize; 2], tokens: usize) -> usize {
    // Forward pass, gradient of the input, gradient of the weight.
    3 * tokens * d_in * d_out
}
