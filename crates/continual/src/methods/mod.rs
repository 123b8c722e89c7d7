//! Methods: how the weights may move while a task is learned. One file each.

mod osft;
mod seqft;

use ::osft::LeakReport;
use burn::module::Module;
use burn::optim::{AdamW, GradientsParams, ModuleOptimizer};

pub use self::osft::OsftMethod;
pub use seqft::SeqFt;

use crate::ContinualError;

/// What a method has to say about a task it has just learned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskDiagnostics {
    /// Numbers that training could change independently.
    pub trainable_parameters: usize,
    /// How much of the change lies where nothing should move.
    pub leaks: Option<LeakReport>,
    /// A table of what was done per layer.
    pub table: Option<String>,
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
    ) -> Result<(M, ModuleOptimizer), ContinualError>;

    /// Removes from the gradients of a step what the method does not allow.
    fn project(&self, grads: GradientsParams) -> GradientsParams {
        grads
    }

    /// Looks at the model after the last step of the task.
    ///
    /// # Errors
    ///
    /// What the method cannot measure.
    fn end_task(&mut self, model: &M) -> Result<TaskDiagnostics, ContinualError>;
}
