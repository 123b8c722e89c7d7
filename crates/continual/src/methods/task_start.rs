//! The model as it was when a task began, for methods that compare with it.

use burn::module::Module;

use crate::checkpoint::{Checkpoint, StatePart};
use crate::error::ContinualError;

const PART: &str = "task-start-";

/// The model at the start of the current task, kept until the task ends and through a kill.
#[derive(Clone, Debug)]
pub(super) struct TaskStart<M>(Option<Kept<M>>);

#[derive(Clone, Debug)]
struct Kept<M> {
    /// Index of the task.
    task: usize,
    model: M,
}

impl<M> Default for TaskStart<M> {
    fn default() -> Self {
        Self(None)
    }
}

impl<M: Module> TaskStart<M> {
    /// Keeps the model that the task `task` starts with. A task that resumes keeps the one that was
    /// restored: what the caller has then is not that model.
    pub(super) fn begin(&mut self, task: usize, model: &M) -> &M {
        let restored = self.0.take().filter(|kept| kept.task == task);
        let kept = restored.unwrap_or_else(|| Kept {
            task,
            model: model.clone().no_grad(),
        });
        &self.0.insert(kept).model
    }

    /// The model, during a task.
    pub(super) fn model(&self) -> Option<&M> {
        self.0.as_ref().map(|kept| &kept.model)
    }

    /// Returns the model at the end of the task, and keeps it no longer.
    pub(super) fn end(&mut self) -> Option<M> {
        self.0.take().map(|kept| kept.model)
    }

    /// The part of a saved state; `None` between tasks.
    pub(super) fn part(&self) -> Option<StatePart<'_>> {
        let kept = self.0.as_ref()?;
        let name = format!("{PART}{}.bpk", kept.task);
        Some(StatePart::module(name, &kept.model))
    }

    /// Restores a saved state; `base` is the model that the sequence started from.
    ///
    /// # Errors
    ///
    /// [`ContinualError::BrokenCheckpoint`].
    pub(super) fn restore(&mut self, base: &M, saved: &Checkpoint) -> Result<(), ContinualError> {
        let Some(name) = saved.find(PART) else {
            self.0 = None;
            return Ok(());
        };
        let number = name
            .strip_prefix(PART)
            .and_then(|rest| rest.strip_suffix(".bpk"));
        let task = number.and_then(|number| number.parse().ok());
        let task = task.ok_or_else(|| saved.broken(&name, &"its name has no number of a task"))?;
        let model = saved.module(&name, base.clone())?.no_grad();
        self.0 = Some(Kept { task, model });
        Ok(())
    }
}
