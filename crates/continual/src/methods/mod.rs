//! Methods: how the weights may move while a task is learned. One file each.

mod lora;
mod osft;
mod seqft;

use ::osft::{LayerChange, LayerSummary, LeakReport};
use burn::module::Module;
use burn::optim::{AdamW, GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;

pub use self::lora::{LoraConfig, LoraMethod};
pub use self::osft::OsftMethod;
pub use seqft::SeqFt;

use crate::{ContinualError, Task};

/// What a method has to say about a task it has just learned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskDiagnostics {
    /// Numbers that training could change independently.
    pub trainable_parameters: usize,
    /// How much of the change lies where nothing should move.
    pub leaks: Option<LeakReport>,
    /// How far the layers' outputs have moved since the base model, over its own inputs.
    pub since_base: Option<Vec<LayerChange>>,
    /// The split of every target, for methods that split.
    pub split: Vec<LayerSummary>,
    /// A table of the split.
    pub table: Option<String>,
    /// What was not as it should be, in sentences for a person.
    pub warnings: Vec<String>,
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
}

/// A continual-learning method.
///
/// For every task, [`begin_task`](Self::begin_task) prepares model and optimizer, then the trainer
/// calls [`project`](Self::project) on every step's accumulated gradients before clipping, and
/// [`end_task`](Self::end_task) closes the task.
pub trait Method<M: Module> {
    /// Its name in reports.
    fn name(&self) -> &str;

    /// Freezes what does not train and makes the optimizer of the task around `inner`.
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

    /// Removes from the gradients of a step what the method does not allow.
    fn project(&self, grads: GradientsParams) -> GradientsParams {
        grads
    }

    /// What the method carries from task to task beside the weights, as files by name: what
    /// another run needs to go on from here.
    ///
    /// # Errors
    ///
    /// What cannot be written.
    fn state_files(&self) -> Result<Vec<(String, Vec<u8>)>, ContinualError> {
        Ok(Vec::new())
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
