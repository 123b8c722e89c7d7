//! A method: how the weights may move while a task is learned, what it reports on a task, and its
//! entry in the registry.

mod adamw;
mod diagnostics;
mod flag;
mod kind;
mod memory;
mod optimizer;
mod registry;
mod searched;

use std::sync::Arc;

use burn::data::dataset::Dataset;
use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use lm::{Example, LinearMap, Unmapped};

use crate::checkpoint::{Checkpoint, StatePart};
use crate::clock::Clock;
use crate::error::ContinualError;
use crate::protocol::{Protocol, Task};

pub use adamw::FusedAdamW;
pub(crate) use diagnostics::nan_if_null;
pub use diagnostics::{
    Column, Combine, Figure, LayerRow, LayerTable, Notation, ShownTask, TaskDiagnostics, TextTable,
};
pub use flag::Flag;
pub use kind::{
    CalibrationUse, KindVariant, MethodInputs, MethodKind, ObservedLayer, RegisteredKind,
    Vocabulary,
};
pub use memory::{ComparedProbabilities, MemoryNeeds};
pub(crate) use optimizer::finite_in_f32;
pub use optimizer::{OptimizerConfig, OptimizerName, WithOptimizer};
pub use registry::MethodRegistry;
pub use searched::{SearchRange, SearchedSetting};

/// A task and its place in the sequence.
#[derive(Clone, Copy)]
pub struct TaskContext<'a> {
    /// Its index, from 0.
    pub index: usize,
    /// Number of tasks in the sequence.
    pub count: usize,
    /// Index of the first task that this sequence learns: above 0 if it continues an earlier one.
    pub first: usize,
    /// The task.
    pub task: &'a Task,
    /// Counts what the task costs; the method marks the time that is not training.
    pub clock: &'a Clock,
    /// The configured optimizer, from which the method makes its own.
    pub optimizer: &'a OptimizerConfig,
}

/// A continual-learning method.
///
/// For every task, [`begin_task`](Self::begin_task) prepares model and optimizer. Then the trainer
/// calls [`project`](Self::project) on the accumulated gradients of every step, before it clips
/// them. At the end, [`end_task`](Self::end_task) completes the task.
pub trait Method<M: Module> {
    /// How it goes through the tasks.
    fn protocol(&self) -> Protocol {
        Protocol::Sequential
    }

    /// Freezes what does not train and makes the task's optimizer.
    ///
    /// After [`restore`](Self::restore) of a state that was saved in the middle of a task, it
    /// attaches and freezes the same parameters as before and decides nothing again. The caller
    /// then loads the parameters' values and the optimizer's state.
    ///
    /// # Errors
    ///
    /// If the method cannot handle the model.
    fn begin_task(
        &mut self,
        model: M,
        context: TaskContext<'_>,
    ) -> Result<(M, ModuleOptimizer), ContinualError>;

    /// What trains in the task that has begun, in words for a human reader.
    fn trains(&self) -> Option<String> {
        None
    }

    /// The rows that the task trains on, in every epoch: by default, its own.
    ///
    /// It is called after [`begin_task`](Self::begin_task). The kind counts them before a run
    /// ([`MethodKind::rows_per_task`]).
    ///
    /// # Errors
    ///
    /// If rows cannot be read.
    fn rows(&self, task: &Task) -> Result<Arc<dyn Dataset<Example>>, ContinualError> {
        Ok(task.train.clone())
    }

    /// A term that is added to the loss of step `step` (from 1 within the task), computed from the
    /// current model.
    ///
    /// # Shapes
    /// - output: `[1]`
    fn penalty(&self, _model: &M, _step: usize) -> Option<Tensor<1>> {
        None
    }

    /// A term that is added to the loss of every step, summed over its answer tokens: called for
    /// each micro-batch `rows`, and divided by the number of answer tokens of the step.
    ///
    /// # Shapes
    /// - output: `[1]`
    fn row_penalty(&self, _model: &M, _rows: &[Example]) -> Option<Tensor<1>> {
        None
    }

    /// Multiplies by weights in place of the layers, for methods that compute the allowed gradients
    /// at a lower cost.
    fn linear_map(&self) -> &dyn LinearMap {
        &Unmapped
    }

    /// Changes the gradients of a step before they are clipped: projects them to the allowed ones,
    /// or adds the gradient of a term that is cheaper without autodiff.
    fn project(&self, _model: &M, grads: GradientsParams) -> GradientsParams {
        grads
    }

    /// Multiplications of one training step in the layer at `path` of the current task, for
    /// `tokens` tokens; `None` if the method does not count them.
    ///
    /// # Shapes
    /// - `shape`: the layer's weight, `[d_in, d_out]`
    fn multiplications(&self, _path: &str, _shape: [usize; 2], _tokens: usize) -> Option<usize> {
        None
    }

    /// The method's state between steps and between tasks, without the weights: another process
    /// resumes from it.
    fn state(&self) -> Vec<StatePart<'_>> {
        Vec::new()
    }

    /// What was learned as low-rank changes of the weights that the sequence started from; `None` if the
    /// method learns no such changes, or has merged them.
    fn adapter(&self) -> Option<lm::Adapter> {
        None
    }

    /// Restores a saved state; `base` is the model that the sequence started from.
    ///
    /// # Errors
    ///
    /// If the state cannot be read.
    fn restore(&mut self, _base: &M, _saved: &Checkpoint) -> Result<(), ContinualError> {
        Ok(())
    }

    /// What later tasks need in another sequence, which starts from the model after the last task:
    /// by default, the state between tasks.
    fn carried(&self) -> Vec<StatePart<'_>> {
        self.state()
    }

    /// Takes over what an earlier sequence [`carried`](Self::carried); `model` is its model after the
    /// last task.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is of a model with other targets.
    fn take_over(&mut self, model: &M, carried: &Checkpoint) -> Result<(), ContinualError> {
        self.restore(model, carried)
    }

    /// Detaches what was attached for the task, and reports on the task. By default nothing is
    /// attached, and all parameters train.
    ///
    /// # Errors
    ///
    /// If a measurement fails.
    fn end_task(
        &mut self,
        model: M,
        _context: TaskContext<'_>,
    ) -> Result<(M, TaskDiagnostics), ContinualError> {
        let diagnostics = TaskDiagnostics::of_all_parameters(&model);
        Ok((model, diagnostics))
    }
}
