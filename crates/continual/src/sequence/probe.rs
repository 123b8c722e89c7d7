//! What is measured of the model beside its tasks.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::ContinualError;

/// Measures the model beside its tasks, after every stage.
///
/// A sequence calls it when the scores after a stage are there, keeps what it found, and saves it in the checkpoint: a
/// resumed run measures no stage again. Models that are independent of each other are not measured, as there is no
/// common model.
pub trait Probe<M> {
    /// Measures the model after `learned` of `count` tasks; `None` if nothing is measured there. `answered` must be
    /// called now and then with the number of further rows that are done: its error ends the measurement.
    ///
    /// # Errors
    ///
    /// That of `answered`; [`ContinualError::Probe`] if the model cannot be measured.
    fn measure(
        &self,
        model: &M,
        learned: usize,
        count: usize,
        answered: &mut dyn FnMut(&str, usize) -> Result<(), ContinualError>,
    ) -> Result<Option<Value>, ContinualError>;
}

/// What a [`Probe`] found after a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probed {
    /// Number of tasks learned by then.
    pub learned: usize,
    /// What it found.
    pub found: Value,
}
