//! Reads the rows of a data set in order.

use burn::data::dataset::Dataset;
use lm::Example;

use crate::error::ContinualError;

/// Reads all rows of a data set.
///
/// # Errors
///
/// [`ContinualError::Row`] for the first row that cannot be read.
pub(crate) fn read_rows(rows: &dyn Dataset<Example>) -> Result<Vec<Example>, ContinualError> {
    (0..rows.len()).map(|row| read_row(rows, row)).collect()
}

/// Reads one row of a data set.
///
/// # Errors
///
/// [`ContinualError::Row`] if it cannot be read.
pub(crate) fn read_row(rows: &dyn Dataset<Example>, row: usize) -> Result<Example, ContinualError> {
    rows.get(row).map_err(|error| ContinualError::Row {
        row,
        reason: error.to_string(),
    })
}
