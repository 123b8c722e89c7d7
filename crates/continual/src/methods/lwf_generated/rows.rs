//! The rows that were generated for a task.

use lm::Example;
use serde::{Deserialize, Serialize};

use crate::checkpoint::{Checkpoint, StatePart};
use crate::error::ContinualError;
use crate::methods::saved_rows::SavedRow;

const PART: &str = "generated-rows-";

/// Rows of one task. A saved state holds them: generated again, they could differ on a device that sums in no fixed
/// order.
#[derive(Clone, Debug)]
pub(super) struct TaskRows {
    /// Index of the task.
    pub(super) task: usize,
    /// At least one row; each has an answer.
    pub(super) rows: Vec<Example>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedTaskRows {
    task: usize,
    rows: Vec<SavedRow>,
}

impl TaskRows {
    /// The rows of a step, whose number counts from 1; all rows if there are fewer than `count`.
    pub(super) fn of_step(&self, step: usize, count: usize) -> Vec<Example> {
        let all = self.rows.len();
        let count = count.min(all);
        // Reduced before the product, which could overflow.
        let first = (step.saturating_sub(1) % all) * count % all;
        let chosen = (first..first + count).map(|row| self.rows[row % all].clone());
        chosen.collect()
    }

    /// The part of a saved state.
    pub(super) fn part(&self) -> StatePart<'_> {
        let name = format!("{PART}{}.json", self.task);
        StatePart::bytes(name.clone(), move || {
            let saved = SavedTaskRows {
                task: self.task,
                rows: self.rows.iter().map(SavedRow::from).collect(),
            };
            serde_json::to_vec(&saved).map_err(ContinualError::saving(name.as_ref()))
        })
    }

    /// Reads the part of a saved state; `None` between tasks.
    ///
    /// # Errors
    ///
    /// [`ContinualError::Io`], [`ContinualError::BrokenCheckpoint`].
    pub(super) fn restored(
        saved: &Checkpoint,
        vocabulary: Option<usize>,
    ) -> Result<Option<Self>, ContinualError> {
        let Some(name) = saved.find(PART) else {
            return Ok(None);
        };
        let SavedTaskRows { task, rows } = saved.json(&name)?;
        if rows.is_empty() {
            return Err(saved.broken(&name, &"it has no rows"));
        }
        let rows = rows.into_iter().map(|row| row.checked(vocabulary));
        let rows = rows
            .collect::<Result<_, _>>()
            .map_err(|reason| saved.broken(&name, &reason))?;
        Ok(Some(Self { task, rows }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_take_all_rows_in_turn() {
        for (all, count) in [(7, 3), (4, 4), (3, 8), (1, 1), (10, 4)] {
            let row = |token| Example::new(vec![token], vec![token]);
            let rows = TaskRows {
                task: 0,
                rows: (0..all).map(row).collect(),
            };
            let mut expected = (0..all).cycle();
            for step in 1..=30 {
                let taken = rows.of_step(step, count);
                let tokens: Vec<u32> = taken.iter().map(|row| row.prompt[0]).collect();
                let next: Vec<u32> = expected.by_ref().take(count.min(all as usize)).collect();
                assert_eq!(tokens, next, "{all} rows, {count} a step, step {step}");
            }
        }
    }
}
