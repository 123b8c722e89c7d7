//! Divides rows into those to learn from and those to validate on.

use std::collections::{BTreeMap, HashSet};

use sha2::{Digest, Sha256};

use crate::check::prompt_key;
use crate::error::RowsError;
use crate::row::{Row, RowSet};

impl RowSet {
    /// Takes a share of the rows out of the set and returns them. Rows with the same prompt stay together, so that
    /// no prompt is on both sides. A prompt of so many rows that twice the share would be exceeded stays with what is learned,
    /// unless every prompt has as many. The same seed takes the same rows, wherever they stand in the file.
    ///
    /// # Errors
    ///
    /// [`RowsError::Source`] if `share` is not between 0 and 1, or there are fewer than two prompts.
    pub fn hold_out(&mut self, share: f64, seed: u64) -> Result<Vec<Row>, RowsError> {
        let refused = |reason: String| RowsError::Source {
            text: share.to_string(),
            reason,
        };
        if !(share > 0.0 && share < 1.0) {
            return Err(refused(
                "the share of validation rows must be above 0 and below 1".to_string(),
            ));
        }
        let mut groups: BTreeMap<[u8; 32], Vec<usize>> = BTreeMap::new();
        for (index, row) in self.rows.iter().enumerate() {
            let mut hash = Sha256::new();
            hash.update(seed.to_le_bytes());
            hash.update(prompt_key(row));
            groups
                .entry(hash.finalize().into())
                .or_default()
                .push(index);
        }
        if groups.len() < 2 {
            return Err(refused(format!(
                "{} rows with {} prompt cannot be divided for validation",
                self.rows.len(),
                groups.len()
            )));
        }
        let wanted = ((self.rows.len() as f64 * share).round() as usize).max(1);
        let mut taken: HashSet<usize> = HashSet::new();
        let (mut left, smallest) = (groups.len(), groups.values().map(Vec::len).min());
        for group in groups.into_values() {
            if taken.len() >= wanted || left == 1 {
                break;
            }
            let fits = taken.len() + group.len() <= 2 * wanted;
            if fits || taken.is_empty() && Some(group.len()) == smallest {
                taken.extend(group);
                left -= 1;
            }
        }
        let (mut held_out, mut kept) = (Vec::new(), Vec::new());
        for (index, row) in std::mem::take(&mut self.rows).into_iter().enumerate() {
            match taken.contains(&index) {
                true => held_out.push(row),
                false => kept.push(row),
            }
        }
        self.rows = kept;
        // A row that counts several times in training is one question.
        for row in &mut held_out {
            row.repeats = 1;
        }
        Ok(held_out)
    }
}
