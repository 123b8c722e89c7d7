//! The limits of a run: how many rows of a split are read, without copies of them.

use std::collections::HashMap;
use std::sync::Arc;

use benchmarks::{Row, TaskRows};
use burn::data::dataset::transform::{PartialDataset, SelectionDataset};
use burn::data::dataset::{Dataset, InMemDataset};

use crate::settings::RunConfig;

/// Rows of a split, chosen by their places.
type ChosenRows = SelectionDataset<InMemDataset<Row>, Row>;

/// The rows of a split that a run reads.
pub type SplitRows = Arc<PartialDataset<ChosenRows, Row>>;

/// The rows of a task that a run reads.
pub struct LimitedRows {
    /// Rows to learn from.
    pub train: SplitRows,
    /// Rows to choose settings with.
    pub validation: SplitRows,
    /// Rows for reported scores.
    pub test: SplitRows,
    /// The answers of a task with fixed answers; otherwise empty.
    pub labels: Vec<String>,
}

impl LimitedRows {
    /// Applies the limits of a configuration; 0 is no limit.
    pub fn new(rows: TaskRows, config: &RunConfig) -> Self {
        let train = match (config.limit_per_class, rows.labels.is_empty()) {
            (0, _) | (_, true) => all(rows.train),
            (limit, false) => first_of_every_answer(rows.train, limit),
        };
        Self {
            train: limited(train, config.limit_train),
            validation: limited(all(rows.validation), config.limit_test),
            test: limited(all(rows.test), config.limit_test),
            labels: rows.labels,
        }
    }
}

fn all(rows: Vec<Row>) -> ChosenRows {
    SelectionDataset::new_select_all(InMemDataset::new(rows))
}

/// The first `limit` of the chosen rows; all of them if `limit` is 0.
fn limited(rows: ChosenRows, limit: usize) -> SplitRows {
    let end = match limit {
        0 => rows.len(),
        limit => limit.min(rows.len()),
    };
    Arc::new(PartialDataset::new(rows, 0, end))
}

/// The first `limit` rows of every answer; white space around it makes no other.
fn first_of_every_answer(rows: Vec<Row>, limit: usize) -> ChosenRows {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let mut places = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        let count = counts.entry(row.answer.trim()).or_default();
        *count += 1;
        if *count <= limit {
            places.push(place);
        }
    }
    SelectionDataset::from_indices_checked(InMemDataset::new(rows), places)
}
