//! The rows that are kept of a task, in memory and in a saved state.

use lm::Example;
use serde::{Deserialize, Serialize};

use crate::checkpoint::{Checkpoint, StatePart};
use crate::error::ContinualError;
use crate::methods::saved_rows::SavedRow;

const PART: &str = "replay-rows-";

/// The rows that are kept of a task.
#[derive(Clone, Debug)]
pub(super) struct KeptTask {
    /// Name of the task.
    pub(super) name: String,
    /// The rows, in the order in which they were drawn.
    pub(super) rows: Vec<Example>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedTask {
    name: String,
    rows: Vec<SavedRow>,
}

impl KeptTask {
    /// The part of a saved state; `None` before the first task has ended.
    pub(super) fn part(kept: &[Self]) -> Option<StatePart<'_>> {
        // The number of tasks distinguishes the parts: rows change only when a task ends.
        let name = format!("{PART}{}.json", kept.len());
        let part = StatePart::bytes(name.clone(), move || {
            let tasks = kept.iter().map(|task| SavedTask {
                name: task.name.clone(),
                rows: task.rows.iter().map(SavedRow::from).collect(),
            });
            let saved: Vec<SavedTask> = tasks.collect();
            serde_json::to_vec(&saved).map_err(ContinualError::saving(name.as_ref()))
        });
        (!kept.is_empty()).then_some(part)
    }

    /// Reads the part of a saved state.
    ///
    /// # Errors
    ///
    /// [`ContinualError::Io`], [`ContinualError::BrokenCheckpoint`].
    pub(super) fn restored(
        saved: &Checkpoint,
        vocabulary: Option<usize>,
    ) -> Result<Vec<Self>, ContinualError> {
        let Some(name) = saved.find(PART) else {
            return Ok(Vec::new());
        };
        let tasks: Vec<SavedTask> = saved.json(&name)?;
        let kept = tasks.into_iter().map(|task| {
            let rows = task.rows.into_iter().map(|row| row.checked(vocabulary));
            let rows = rows
                .collect::<Result<_, _>>()
                .map_err(|reason| saved.broken(&name, &reason))?;
            Ok(Self {
                name: task.name,
                rows,
            })
        });
        kept.collect()
    }
}
