//! Methods: how the weights may move while a task is learned. One file each.

mod lora;
mod multi_task;
mod osft;
mod per_task;
mod seqft;

use ::osft::{LayerChange, LayerSummary, LeakReport};
use burn::module::Module;
use burn::optim::{AdamW, GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use lm::{LinearMap, Unmapped};
use serde::{Deserialize, Serialize};

pub use self::lora::{LoraConfig, LoraMethod, PerTaskValue};
pub use self::osft::{OsftMethod, ThroughCores};
pub use multi_task::MultiTaskFt;
pub use per_task::PerTaskFt;
pub use seqft::SeqFt;

use crate::checkpoint::{Checkpoint, StatePart};
use crate::{Clock, ContinualError, Protocol, Task};

/// What a method has to say about a task it has just learned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskDiagnostics {
    /// Numbers that training could change independently.
    pub trainable_parameters: usize,
    /// Optimizer steps that were taken.
    pub steps: usize,
    /// How much of the change lies where nothing should move.
    pub leaks: Option<LeakReport>,
    /// The same of the weights as they are stored, where that is in less than full precision: with what
    /// rounding adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_leaks: Option<LeakReport>,
    /// How far the layers' outputs have moved since the base model, over its own inputs.
    pub since_base: Option<Vec<LayerChange>>,
    /// The split of every target, for methods that split.
    pub split: Vec<LayerSummary>,
    /// A table of the split.
    pub table: Option<String>,
    /// What was not as it should be, in sentences for a person.
    pub warnings: Vec<String>,
}

impl TaskDiagnostics {
    /// Of a method that trains everything.
    pub(crate) fn of_all_parameters<M: Module>(model: &M) -> Self {
        Self {
            trainable_parameters: model.num_params(),
            ..Self::default()
        }
    }
}

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
}

/// A continual-learning method.
///
/// For every task, [`begin_task`](Self::begin_task) prepares model and optimizer, then the trainer
/// calls [`project`](Self::project) on every step's accumulated gradients before clipping, and
/// [`end_task`](Self::end_task) closes the task.
pub trait Method<M: Module> {
    /// Its name in reports.
    fn name(&self) -> &str;

    /// How it goes through the tasks.
    fn protocol(&self) -> Protocol {
        Protocol::Sequential
    }

    /// Freezes what does not train and makes the optimizer of the task around `inner`.
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
        inner: AdamW,
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

    /// Takes from the model what was attached for the task, and looks at what the task did.
    ///
    /// # Errors
    ///
    /// What the method cannot measure.
    fn end_task(
        &mut self,
        model: M,
        context: TaskContext<'_>,
    ) -> Result<(M, TaskDiagnostics), ContinualError>;
}
