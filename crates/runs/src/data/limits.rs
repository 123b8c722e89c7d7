//! The limits of a run: how many rows of a split are read, without copies of them.

use std::collections::HashMap;
use std::sync::Arc;

use benchmarks::{Row, TaskRows};
use burn::data::dataset::transform::{PartialDataset, SelectionDataset};
use burn::data::dataset::{Dataset, InMemDataset};

use crate::settings::RunConfig;

/// The rows of a split that a run reads.
pub type SplitRows = Arc<PartialDataset<SelectionDataset<InMemDataset<Row>, Row>, Row>>;

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
        let chosen = match (config.limit_per_class, rows.labels.is_empty()) {
            (0, _) | (_, true) => (0..rows.train.len()).collect(),
            (limit, false) => first_of_every_answer(&rows.train, limit),
        };
        let all = |rows: &[Row]| (0..rows.len()).collect();
        let validation = all(&rows.validation);
        let test = all(&rows.test);
        Self {
            train: limited(rows.train, chosen, config.limit_train),
            validation: limited(rows.validation, validation, config.limit_test),
            test: limited(rows.test, test, config.limit_test),
            labels: rows.labels,
        }
    }
}

/// The first `limit` of the chosen rows; all of them if `limit` is 0.
fn limited(rows: Vec<Row>, chosen: Vec<usize>, limit: usize) -> SplitRows {
    let rows = SelectionDataset::from_indices_checked(InMemDataset::new(rows), chosen);
    let end = match limit {
        0 => rows.len(),
        limit => limit.min(rows.len()),
    };
    Arc::new(PartialDataset::new(rows, 0, end))
}

/// The places of the first `limit` rows of every answer.
fn first_of_every_answer(rows: &[Row], limit: usize) -> Vec<usize> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let mut places = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        let count = counts.entry(&row.answer).or_default();
        *count += 1;
        if *count <= limit {
            places.push(place);
        }
    }
    places
}
