//! What a method is: how the weights may move while a task is learned, what it says about a task, and what the
//! registry has to know of it.

mod diagnostics;
mod flag;
mod kind;
mod optimizer;
mod registry;

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use lm::{LinearMap, Unmapped};

use crate::checkpoint::{Checkpoint, StatePart};
use crate::clock::Clock;
use crate::error::ContinualError;
use crate::protocol::{Protocol, Task};

pub use diagnostics::{
    Column, Combine, Figure, LayerRow, LayerTable, Notation, ShownTask, TaskDiagnostics, TextTable,
};
pub use flag::Flag;
pub use kind::{
    CalibrationUse, KindVariant, MemoryNeeds, MethodInputs, MethodKind, ObservedLayer,
    RegisteredKind,
};
pub use optimizer::{OptimizerConfig, OptimizerName, WithOptimizer};
pub use registry::MethodRegistry;

/// Where in a sequence a task stands.
#[derive(Clone, Copy)]
pub struct TaskContext<'a> {
    /// Its index, from 0.
    pub index: usize,
    /// Number of tasks in the sequence.
    pub count: usize,
    /// The task.
    pub task: &'a Task,
    /// Counts what the task costs; a method says which part of its time is not training.
    pub clock: &'a Clock,
    /// The optimizer of the settings, for the method to make its own from.
    pub optimizer: &'a OptimizerConfig,
}

/// A continual-learning method.
///
/// For every task, [`begin_task`](Self::begin_task) prepares model and optimizer, then the trainer
/// calls [`project`](Self::project) on every step's accumulated gradients before clipping, and
/// [`end_task`](Self::end_task) closes the task.
pub trait Method<M: Module> {
    /// How it goes through the tasks.
    fn protocol(&self) -> Protocol {
        Protocol::Sequential
    }

    /// Freezes what does not train and makes the optimizer of the task.
    ///
    /// After [`restore`](Self::restore) of a state that was saved in the middle of a task, this
    /// attaches and freezes what it did then and decides nothing anew; the values of the parameters
    /// and the optimizer's state are loaded afterwards.
    ///
    /// # Errors
    ///
    /// What the method cannot do with the model.
    fn begin_task(
        &mut self,
        model: M,
        context: TaskContext<'_>,
    ) -> Result<(M, ModuleOptimizer), ContinualError>;

    /// What is added to the loss of every step, on the model as it is.
    ///
    /// # Shapes
    /// - output: `[1]`
    fn penalty(&self, _model: &M) -> Option<Tensor<1>> {
        None
    }

    /// Multiplies by weights in place of the layers, where the method has a cheaper way to the
    /// gradients that it allows.
    fn linear_map(&self) -> &dyn LinearMap {
        &Unmapped
    }

    /// Removes from the gradients of a step what the method does not allow.
    fn project(&self, grads: GradientsParams) -> GradientsParams {
        grads
    }

    /// Multiplications of a training step in the layer at `path` of the task that has begun, for `tokens`
    /// tokens; `None` where the method does not count them.
    ///
    /// # Shapes
    /// - `shape`: `[d_in, d_out]`, that of the layer's weight
    fn multiplications(&self, _path: &str, _shape: [usize; 2], _tokens: usize) -> Option<usize> {
        None
    }

    /// What the method carries from step to step and from task to task beside the weights: what
    /// another process needs to go on from here.
    fn state(&self) -> Vec<StatePart<'_>> {
        Vec::new()
    }

    /// Takes up a state that was saved; `base` is the model that the sequence started from.
    ///
    /// # Errors
    ///
    /// What cannot be read.
    fn restore(&mut self, _base: &M, _saved: &Checkpoint) -> Result<(), ContinualError> {
        Ok(())
    }

    /// Takes from the model what was attached for the task, and looks at what the task did: by default
    /// nothing was attached, and every parameter trains.
    ///
    /// # Errors
    ///
    /// What the method cannot measure.
    fn end_task(
        &mut self,
        model: M,
        _context: TaskContext<'_>,
    ) -> Result<(M, TaskDiagnostics), ContinualError> {
        let diagnostics = TaskDiagnostics::of_all_parameters(&model);
        Ok((model, diagnostics))
    }
}
