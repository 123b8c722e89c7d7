//! Orders of a suite's tasks.

use super::{Suite, TaskSpec};
use crate::error::BenchmarkError;

impl Suite {
    /// The tasks of an order: `1`, `2`, … for a stored order, or task names separated by commas,
    /// which need not include all tasks.
    ///
    /// # Errors
    ///
    /// [`BenchmarkError::UnknownOrder`], [`BenchmarkError::UnknownTask`],
    /// [`BenchmarkError::RepeatedTask`].
    pub fn order(&self, order: &str) -> Result<Vec<&TaskSpec>, BenchmarkError> {
        let names: Vec<&str> = match order.trim().parse::<usize>() {
            Ok(number) => {
                let stored = number
                    .checked_sub(1)
                    .and_then(|index| self.orders.get(index));
                let stored = stored.ok_or_else(|| BenchmarkError::UnknownOrder {
                    suite: self.name.clone(),
                    order: number,
                    stored: self.orders.len(),
                })?;
                stored.iter().map(String::as_str).collect()
            }
            Err(_) => order.split(',').map(str::trim).collect(),
        };
        let mut tasks: Vec<&TaskSpec> = Vec::new();
        for name in names {
            let task = self.task(name)?;
            if tasks.iter().any(|other| other.name == name) {
                return Err(BenchmarkError::RepeatedTask {
                    order: order.to_string(),
                    name: name.to_string(),
                });
            }
            tasks.push(task);
        }
        Ok(tasks)
    }

    /// The task with a name.
    ///
    /// # Errors
    ///
    /// [`BenchmarkError::UnknownTask`].
    pub(crate) fn task(&self, name: &str) -> Result<&TaskSpec, BenchmarkError> {
        let task = self.tasks.iter().find(|task| task.name == name);
        task.ok_or_else(|| self.unknown_task(name))
    }

    fn unknown_task(&self, name: &str) -> BenchmarkError {
        let likeness = |task: &TaskSpec| {
            let (a, b) = (task.name.to_lowercase(), name.to_lowercase());
            rapidfuzz::distance::indel::normalized_similarity(a.chars(), b.chars())
        };
        let nearest = self
            .tasks
            .iter()
            .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
            .filter(|task| likeness(task) > 0.5);
        let names: Vec<&str> = self.tasks.iter().map(|task| task.name.as_str()).collect();
        BenchmarkError::UnknownTask {
            suite: self.name.clone(),
            name: name.to_string(),
            known: names.join(", "),
            suggestion: nearest.map(|task| task.name.clone()),
        }
    }
}
