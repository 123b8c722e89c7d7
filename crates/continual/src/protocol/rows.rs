//! Rows of a data set, read in order.

use burn::data::dataset::Dataset;
use lm::Example;

use crate::error::ContinualError;

/// All rows of a data set.
///
/// # Errors
///
/// [`ContinualError::Row`] for the first one that cannot be read.
pub(crate) fn read_rows(rows: &dyn Dataset<Example>) -> Result<Vec<Example>, ContinualError> {
    (0..rows.len()).map(|row| read_row(rows, row)).collect()
}

/// One row of a data set.
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
