//! The mean of a sample whose rows may belong to groups, and its standard error.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::GeneralError;

/// How the rows of several groups, such as the subjects of MMLU, become one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupMean {
    /// The mean over all rows: a group counts by its size.
    Rows,
    /// The mean over the groups' means: all groups count alike.
    Groups,
}

/// The value of one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// Number of its group.
    pub group: usize,
    /// Its value.
    pub value: f64,
    /// How much it counts in the mean of its group: 1, or the tokens of a text.
    pub weight: f64,
}

/// Rows by group. Groups are fixed parts of a suite: rows are the only thing that is random.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Values and weights, by group; no group is empty.
    pub(super) groups: Vec<Vec<(f64, f64)>>,
    mean: GroupMean,
}

impl Sample {
    /// Collects observations.
    ///
    /// # Errors
    ///
    /// [`GeneralError::Setting`] if there is no row, a value is not finite, or a weight is not a
    /// positive number.
    pub fn new(
        observations: impl IntoIterator<Item = Observation>,
        mean: GroupMean,
    ) -> Result<Self, GeneralError> {
        let mut groups: BTreeMap<usize, Vec<(f64, f64)>> = BTreeMap::new();
        let refuse = |setting, expected, found: String| {
            Err(GeneralError::Setting {
                setting,
                expected,
                found,
            })
        };
        for row in observations {
            if !row.value.is_finite() {
                return refuse("a row's value", "finite", row.value.to_string());
            }
            if !(row.weight.is_finite() && row.weight > 0.0) {
                let expected = "a positive number";
                return refuse("a row's weight", expected, row.weight.to_string());
            }
            let group = groups.entry(row.group).or_default();
            group.push((row.value, row.weight));
        }
        if groups.is_empty() {
            return refuse("the number of rows", "at least 1", "0".to_string());
        }
        Ok(Self {
            groups: groups.into_values().collect(),
            mean,
        })
    }

    /// The mean over rows or over groups.
    pub fn mean(&self) -> f64 {
        let sums = self.groups.iter().map(|group| {
            let weighted = group.iter().map(|(value, weight)| value * weight);
            (weighted.sum(), weights(group))
        });
        self.combine(sums)
    }

    /// The mean from each group's sum of weighted values and sum of weights.
    pub(super) fn combine(&self, sums: impl Iterator<Item = (f64, f64)>) -> f64 {
        match self.mean {
            GroupMean::Rows => {
                let (value, weight) = sums.fold((0.0, 0.0), |total, group| {
                    (total.0 + group.0, total.1 + group.1)
                });
                value / weight
            }
            GroupMean::Groups => {
                let total: f64 = sums.map(|(value, weight)| value / weight).sum();
                total / self.groups.len() as f64
            }
        }
    }

    /// The standard error of the mean; `None` if the groups have too few rows to tell.
    ///
    /// With equal weights and one group it is the sample's standard deviation over the root of the
    /// number of rows. Weights are treated as a ratio of sums, to first order.
    ///
    /// # References
    ///
    /// `mean_stderr`, `pooled_sample_stderr` ([`GroupMean::Rows`]) and `unweighted_mean_stderr`
    /// ([`GroupMean::Groups`]) of lm-evaluation-harness 0.4.13.
    pub fn standard_error(&self) -> Option<f64> {
        let rows: usize = self.groups.iter().map(Vec::len).sum();
        let squares = self.groups.iter().map(|group| {
            let weight = weights(group);
            let sum: f64 = group.iter().map(|(value, weight)| value * weight).sum();
            let mean = sum / weight;
            let square = |(value, weight): &(f64, f64)| (weight * (value - mean)).powi(2);
            (group.len(), weight, group.iter().map(square).sum::<f64>())
        });
        match self.mean {
            GroupMean::Rows => {
                let free = rows - self.groups.len();
                let (weight, sum) = squares.fold((0.0, 0.0), |total, (_, weight, sum)| {
                    (total.0 + weight, total.1 + sum)
                });
                let rows = rows as f64;
                (free > 0).then(|| (sum / free as f64 * rows).sqrt() / weight)
            }
            GroupMean::Groups => {
                let mut variance = 0.0;
                for (rows, weight, sum) in squares {
                    let free = rows.checked_sub(1).filter(|free| *free > 0)?;
                    variance += sum / free as f64 * rows as f64 / weight.powi(2);
                }
                Some(variance.sqrt() / self.groups.len() as f64)
            }
        }
    }
}

fn weights(group: &[(f64, f64)]) -> f64 {
    group.iter().map(|(_, weight)| weight).sum()
}
