//! Who decides when a run is saved, and whether it is to stop.

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

/// Keeps what another process needs to go on with a run.
pub trait CheckpointPolicy {
    /// Whether the run is saved at this point, unless it is to stop: then it is.
    fn due(&mut self, pause: Pause) -> bool;

    /// Saves the run: everything that is in `state`, and the parts.
    ///
    /// # Errors
    ///
    /// What keeps it from being saved; the run ends with it.
    fn save(&mut self, state: Value, parts: Vec<StatePart<'_>>) -> Result<(), ContinualError>;

    /// Whether the run is to be saved and to end with [`ContinualError::Interrupted`].
    fn stopping(&self) -> bool;
}

/// Keeps nothing.
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
