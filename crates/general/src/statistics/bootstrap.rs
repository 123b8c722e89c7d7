//! Intervals by drawing the rows anew.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::sample::Sample;
use crate::error::GeneralError;

/// How an interval is computed. The same settings and rows give the same interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bootstrap {
    /// How often the rows are drawn anew.
    pub resamples: usize,
    /// Share of the resampled means that the interval holds, such as 0.95.
    pub level: f64,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            resamples: 10_000,
            level: 0.95,
            seed: 0,
        }
    }
}

/// An interval of a mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// Most resamples: their means take 80 MB.
const MOST_RESAMPLES: usize = 10_000_000;

impl Bootstrap {
    /// The percentile interval of a sample's mean. The rows of each group are drawn from that group,
    /// with replacement.
    ///
    /// A group with a single row contributes no uncertainty.
    ///
    /// # Errors
    ///
    /// [`GeneralError::Setting`] if the number of resamples or the level is out of range.
    ///
    /// # References
    ///
    /// B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
    pub fn interval(&self, sample: &Sample) -> Result<Interval, GeneralError> {
        if !(1..=MOST_RESAMPLES).contains(&self.resamples) {
            return Err(GeneralError::Setting {
                setting: "the number of resamples",
                expected: "from 1 to 10000000",
                found: self.resamples.to_string(),
            });
        }
        if !(self.level > 0.0 && self.level < 1.0) {
            return Err(GeneralError::Setting {
                setting: "the level of an interval",
                expected: "between 0 and 1",
                found: self.level.to_string(),
            });
        }
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut means: Vec<f64> = (0..self.resamples)
            .map(|_| resampled_mean(sample, &mut random))
            .collect();
        means.sort_by(f64::total_cmp);
        let outside = (1.0 - self.level) / 2.0;
        Ok(Interval {
            low: quantile(&means, outside),
            high: quantile(&means, 1.0 - outside),
        })
    }
}

fn resampled_mean(sample: &Sample, random: &mut ChaCha8Rng) -> f64 {
    let sums = sample.groups.iter().map(|group| {
        let mut sums = (0.0, 0.0);
        for _ in 0..group.len() {
            let (value, weight) = group[random.random_range(0..group.len())];
            sums.0 += value * weight;
            sums.1 += weight;
        }
        sums
    });
    sample.combine(sums)
}

/// The value below which a share of the sorted values lies, interpolated between neighbours.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * (place - place.floor())
}
