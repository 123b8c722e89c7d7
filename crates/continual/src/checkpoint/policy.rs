//! When a run is saved, and when it stops.

use serde_json::Value;

use super::StatePart;
use crate::error::ContinualError;

/// A point at which a run can be saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// Before the first task.
    Start,
    /// After a step.
    Step,
    /// After the last step of a task.
    Learned,
    /// After a score.
    Scored,
}

/// Decides when to save a run, and saves it so that another process can resume it.
pub trait CheckpointPolicy {
    /// Whether to save the run at this point. A run that is about to stop is saved in any case, unless it stops while it
    /// answers questions: it then goes on from what was saved last, so that a policy should be due at [`Pause::Learned`] and
    /// [`Pause::Scored`].
    fn due(&mut self, pause: Pause) -> bool;

    /// Saves a checkpoint from the sequence's state and its parts.
    ///
    /// # Errors
    ///
    /// The reason why it cannot be saved; the run ends with this error.
    fn save(&mut self, state: Value, parts: Vec<StatePart<'_>>) -> Result<(), ContinualError>;

    /// Whether to save the run and end it with [`ContinualError::Interrupted`].
    fn stopping(&self) -> bool;
}

/// Saves nothing and never stops a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCheckpoints;

impl CheckpointPolicy for NoCheckpoints {
    fn due(&mut self, _pause: Pause) -> bool {
        false
    }

    fn save(&mut self, _state: Value, _parts: Vec<StatePart<'_>>) -> Result<(), ContinualError> {
        Ok(())
    }

    fn stopping(&self) -> bool {
        false
    }
}
