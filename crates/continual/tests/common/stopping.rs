//! A policy that ends a run again and again.

use continual::checkpoint::{Checkpoints, StatePart};
use continual::{CheckpointPolicy, ContinualError, Pause};
use serde_json::Value;

/// Saves at every pause, and stops at every second one.
pub struct Stopping<'a>(pub &'a mut Checkpoints, pub usize);

impl CheckpointPolicy for Stopping<'_> {
    fn due(&mut self, _: Pause) -> bool {
        self.1 += 1;
        true
    }

    fn save(&mut self, state: Value, parts: Vec<StatePart<'_>>) -> Result<(), ContinualError> {
        self.0.save(&state, parts)
    }

    fn stopping(&self) -> bool {
        self.1 >= 2
    }
}
