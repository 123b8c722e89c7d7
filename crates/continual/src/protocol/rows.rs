//! Reads the rows of a data set a few at a time: a row may be made anew whenever it is read.

use burn::data::dataset::Dataset;
use lm::Example;
use rayon::prelude::*;

use crate::error::ContinualError;

/// The rows of a data set, of which only places and lengths are held.
pub(crate) struct Rows<'a> {
    dataset: &'a dyn Dataset<Example>,
    places: Vec<usize>,
    lengths: Vec<usize>,
}

impl<'a> Rows<'a> {
    /// Reads every row once, for its length in tokens.
    ///
    /// # Errors
    ///
    /// [`ContinualError::Row`] for the first row that cannot be read.
    pub(crate) fn open(dataset: &'a dyn Dataset<Example>) -> Result<Self, ContinualError> {
        Self::chosen(dataset, |_| true)
    }

    /// As [`open`](Self::open), for the rows that satisfy a condition.
    pub(crate) fn chosen(
        dataset: &'a dyn Dataset<Example>,
        is_chosen: impl Fn(&Example) -> bool,
    ) -> Result<Self, ContinualError> {
        let mut rows = Self {
            dataset,
            places: Vec::new(),
            lengths: Vec::new(),
        };
        let mut place = 0;
        each_row(dataset, |row| {
            if is_chosen(row) {
                rows.places.push(place);
                rows.lengths.push(row.len());
            }
            place += 1;
        })?;
        Ok(rows)
    }

    /// The lengths of all rows in tokens, in order.
    pub(crate) fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// Some of the rows.
    ///
    /// # Errors
    ///
    /// [`ContinualError::Row`] for the first row that cannot be read.
    pub(crate) fn batch(&self, rows: &[usize]) -> Result<Vec<Example>, ContinualError> {
        let read = |&row: &usize| read_row(self.dataset, self.places[row]);
        rows.par_iter().map(read).collect()
    }
}

/// Reads `count` rows at even distances, or all if `count` is 0: files are often sorted.
///
/// # Errors
///
/// [`ContinualError::Row`] for the first row that cannot be read.
pub(crate) fn evenly_spaced(
    rows: &dyn Dataset<Example>,
    count: usize,
) -> Result<Vec<Example>, ContinualError> {
    let all = rows.len();
    let count = match count {
        0 => all,
        count => count.min(all),
    };
    let chosen = (0..count).map(|index| index * all / count);
    chosen.map(|row| read_row(rows, row)).collect()
}

/// Shows every row of a data set once, in order. Rows are made on all cores, a few hundred at a time.
///
/// # Errors
///
/// [`ContinualError::Row`] for the first row that cannot be read.
pub(crate) fn each_row(
    rows: &dyn Dataset<Example>,
    mut show: impl FnMut(&Example),
) -> Result<(), ContinualError> {
    const HELD: usize = 512;
    for first in (0..rows.len()).step_by(HELD) {
        let next = (first + HELD).min(rows.len());
        let held: Vec<_> = (first..next)
            .into_par_iter()
            .map(|row| read_row(rows, row))
            .collect();
        for row in held {
            show(&row?);
        }
    }
    Ok(())
}

/// Reads one row.
///
/// # Errors
///
/// [`ContinualError::Row`].
pub(crate) fn read_row(rows: &dyn Dataset<Example>, row: usize) -> Result<Example, ContinualError> {
    rows.get(row).map_err(|error| ContinualError::Row {
        row,
        reason: error.to_string(),
    })
}
