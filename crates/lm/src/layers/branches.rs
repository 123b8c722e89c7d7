//! Several continuations of one beginning in one row, each blind to the others.

/// The columns of a row: a trunk, and branches that go on from it one beside the other.
///
/// A token of a branch sees the trunk and its own branch. So the trunk is computed once for all of them, and its keys
/// and values are not copied.
#[derive(Clone, Debug)]
pub(crate) struct Branches {
    /// Number of columns before the first branch.
    trunk: usize,
    /// For every column behind the trunk, the first column of its branch.
    starts: Vec<usize>,
}

impl Branches {
    /// A row that is all trunk.
    pub(crate) fn none() -> Self {
        Self {
            trunk: usize::MAX,
            starts: Vec::new(),
        }
    }

    /// Branches for continuations: nothing is predicted from the last token of each, so that it has no column.
    pub(crate) fn of(trunk: usize, continuations: &[Vec<u32>]) -> Self {
        let mut starts = Vec::new();
        for continuation in continuations {
            let start = trunk + starts.len();
            starts.resize(starts.len() + inputs(continuation).len(), start);
        }
        Self { trunk, starts }
    }

    /// The place that a column would have if its branch alone followed the trunk.
    pub(crate) fn place(&self, column: usize) -> usize {
        match column.checked_sub(self.trunk) {
            None => column,
            Some(behind) => self.trunk + column - self.starts[behind],
        }
    }

    /// Whether the token of a column sees that of another.
    pub(crate) fn sees(&self, query: usize, key: usize) -> bool {
        let own_branch = match query.checked_sub(self.trunk) {
            None => 0,
            Some(behind) => self.starts[behind],
        };
        key <= query && (key < self.trunk || key >= own_branch)
    }
}

/// Tokens to predict in rows of a trunk and branches.
pub(crate) struct BranchTargets {
    /// Index of the column that predicts each token, counted over all rows.
    pub columns: Vec<i32>,
    /// The tokens.
    pub tokens: Vec<u32>,
    rows: usize,
    lengths: Vec<usize>,
}

impl BranchTargets {
    /// The tokens of the continuations behind every row, whose trunks end at the column `trunk` of `width`.
    pub(crate) fn new(rows: usize, trunk: usize, width: usize, continuations: &[Vec<u32>]) -> Self {
        let mut targets = Self {
            columns: Vec::new(),
            tokens: Vec::new(),
            rows,
            lengths: continuations.iter().map(Vec::len).collect(),
        };
        for row in 0..rows {
            let mut start = trunk;
            for continuation in continuations {
                for (place, &token) in continuation.iter().enumerate() {
                    // The end of the trunk predicts the first token, each token the one behind it.
                    let column = match place {
                        0 => trunk - 1,
                        _ => start + place - 1,
                    };
                    targets.columns.push((row * width + column) as i32);
                    targets.tokens.push(token);
                }
                start += inputs(continuation).len();
            }
        }
        targets
    }

    /// One value per token, by row and continuation.
    pub(crate) fn grouped(&self, values: Vec<f32>) -> Vec<Vec<Vec<f32>>> {
        let mut values = values.into_iter();
        let mut of_row = |_| {
            let lengths = self.lengths.iter();
            lengths
                .map(|&length| values.by_ref().take(length).collect())
                .collect()
        };
        (0..self.rows).map(&mut of_row).collect()
    }
}

/// The tokens of a continuation that predict another one of it.
pub(crate) fn inputs(continuation: &[u32]) -> &[u32] {
    &continuation[..continuation.len().saturating_sub(1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_see_the_trunk_and_themselves() {
        // Columns: two of the trunk, then one and two of branches; the second continuation has no column.
        let branches = Branches::of(2, &[vec![5, 6], vec![7], vec![5, 8, 9]]);
        let places: Vec<usize> = (0..5).map(|column| branches.place(column)).collect();
        assert_eq!(places, [0, 1, 2, 2, 3]);
        let seen = |query: usize| -> Vec<usize> {
            (0..5).filter(|&key| branches.sees(query, key)).collect()
        };
        assert_eq!(seen(1), [0, 1]);
        assert_eq!(seen(2), [0, 1, 2]);
        assert_eq!(seen(3), [0, 1, 3]);
        assert_eq!(seen(4), [0, 1, 3, 4]);
        let plain = Branches::none();
        assert_eq!((plain.place(7), plain.sees(7, 3)), (7, true));
        assert!(!plain.sees(3, 7));
    }

    #[test]
    fn every_token_is_predicted_by_the_one_before_it() {
        let continuations = [vec![5, 6], vec![7], vec![], vec![5, 8, 9]];
        let targets = BranchTargets::new(2, 2, 5, &continuations);
        assert_eq!(targets.tokens, [[5, 6, 7, 5, 8, 9]; 2].concat());
        let row = [1, 2, 1, 1, 3, 4];
        assert_eq!(targets.columns[..6], row);
        assert_eq!(targets.columns[6..], row.map(|column| column + 5));
        let values: Vec<f32> = (0..12).map(|value| value as f32).collect();
        let grouped = targets.grouped(values);
        assert_eq!(grouped[0][1], [2.0]);
        assert_eq!(grouped[1][2], [0f32; 0]);
        assert_eq!(grouped[1][3], [9.0, 10.0, 11.0]);
    }
}
