use burn::optim::ModuleOptimizer;
use continual::ContinualError;
use continual::method::{Method, MethodInputs, MethodKind, TaskContext};
use lm::LanguageModel;
use serde::{Deserialize, Serialize};

type Made<T> = Result<T, ContinualError>;

/// Fine-tuning whose weight decay grows with every task; also its settings, `[methods.growing-decay]`.
#[derive(Clone, Serialize, Deserialize)]
pub struct GrowingDecay {
    pub per_task: f64,
}

impl<M: LanguageModel + 'static> MethodKind<M> for GrowingDecay {
    type Settings = Self;
    fn name(&self) -> &str {
        "growing-decay"
    }
    fn help(&self) -> &str {
        "Fine-tuning whose weight decay grows with every task"
    }
    fn defaults(&self) -> Self {
        self.clone()
    }
    fn build(&self, settings: Self, _: MethodInputs<'_>) -> Made<Box<dyn Method<M>>> {
        Ok(Box::new(settings))
    }
}

impl<M: LanguageModel> Method<M> for GrowingDecay {
    fn begin_task(&mut self, model: M, at: TaskContext<'_>) -> Made<(M, ModuleOptimizer)> {
        let mut optimizer = at.optimizer.clone();
        optimizer.weight_decay = self.per_task * at.index as f64;
        let optimizer = optimizer.for_module(&model)?;
        Ok((model.set_require_grad(true), optimizer))
    }
}
