//! Statistics of pairs of runs, in f64: how sure a difference is, and whether two figures rise together.

use anyhow::{Result, ensure};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use report::record::RunResult;

use super::student::two_sided_quantile;

/// The probability that an interval stands for.
const LEVEL: f64 = 0.95;

/// An interval of a difference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// The differences of two methods in every test row, with every seed that both have.
#[derive(Clone, Debug, PartialEq)]
pub struct Paired {
    /// By seed, task and row.
    differences: Vec<Vec<Vec<f64>>>,
}

impl Paired {
    /// Pairs the runs of two methods by their seeds, and their answers by their rows; `None` if they share no
    /// seed or their results have no scores of rows.
    ///
    /// # Errors
    ///
    /// If two runs with one seed answered other questions.
    pub fn new(own: &[RunResult], other: &[RunResult]) -> Result<Option<Self>> {
        let mut differences = Vec::new();
        for run in own {
            let twin = other.iter().find(|other| other.seed == run.seed);
            let Some(twin) = twin else { continue };
            if run.row_scores.is_empty() || twin.row_scores.is_empty() {
                return Ok(None);
            }
            let lengths = |run: &RunResult| run.row_scores.iter().map(Vec::len).collect::<Vec<_>>();
            ensure!(
                lengths(run) == lengths(twin) && run.tasks == twin.tasks,
                "{} and {} with seed {} answered different questions, so that their answers are no pairs",
                run.method,
                twin.method,
                run.seed
            );
            let tasks = run.row_scores.iter().zip(&twin.row_scores);
            let minus = |(own, other): (&Vec<f64>, &Vec<f64>)| -> Vec<f64> {
                own.iter()
                    .zip(other)
                    .map(|(own, other)| own - other)
                    .collect()
            };
            differences.push(tasks.map(minus).collect());
        }
        let is_empty = differences.is_empty()
            || differences
                .iter()
                .flatten()
                .any(|task: &Vec<f64>| task.is_empty());
        Ok((!is_empty).then_some(Self { differences }))
    }

    /// Number of seeds that both methods have.
    pub fn seeds(&self) -> usize {
        self.differences.len()
    }

    /// The difference in AA: the mean over seeds and tasks of the mean over rows.
    pub fn mean(&self) -> f64 {
        let seeds = self.differences.iter();
        let of_seed =
            |tasks: &Vec<Vec<f64>>| mean(tasks.iter().map(|rows| mean(rows.iter().copied())));
        mean(seeds.map(of_seed))
    }

    /// The 95 % interval of the difference: the shortest that holds the [`bootstrap`](Self::bootstrap) interval and, with
    /// two seeds or more, [`of_seeds`](Self::of_seeds). The first is too narrow with few seeds; the second knows nothing
    /// of the rows.
    pub fn interval(&self, resamples: usize, seed: u64) -> Interval {
        let drawn = self.bootstrap(resamples, seed);
        match self.of_seeds() {
            None => drawn,
            Some(seeds) => Interval {
                low: drawn.low.min(seeds.low),
                high: drawn.high.max(seeds.high),
            },
        }
    }

    /// Student's 95 % interval of the mean over seeds, `mean ± t s / √n`; `None` with one seed.
    pub fn of_seeds(&self) -> Option<Interval> {
        let of_seed =
            |tasks: &Vec<Vec<f64>>| mean(tasks.iter().map(|rows| mean(rows.iter().copied())));
        let seeds: Vec<f64> = self.differences.iter().map(of_seed).collect();
        let count = seeds.len();
        if count < 2 {
            return None;
        }
        let middle = mean(seeds.iter().copied());
        let squares: f64 = seeds.iter().map(|value| (value - middle).powi(2)).sum();
        let error = (squares / (count - 1) as f64 / count as f64).sqrt();
        let reach = two_sided_quantile(LEVEL, count - 1) * error;
        Some(Interval {
            low: middle - reach,
            high: middle + reach,
        })
    }

    /// The 95 % percentile interval of the difference: seeds are drawn with replacement, and rows of every
    /// task with replacement. A drawn row counts for every drawn seed, because all seeds answer the same rows.
    ///
    /// # References
    ///
    /// B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
    pub fn bootstrap(&self, resamples: usize, seed: u64) -> Interval {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let count = self.differences.len();
        let mut means: Vec<f64> = (0..resamples.max(1))
            .map(|_| {
                let mut drawn = vec![0.0; count];
                for _ in 0..count {
                    drawn[random.random_range(0..count)] += 1.0;
                }
                self.resampled(&drawn, &mut random)
            })
            .collect();
        means.sort_by(f64::total_cmp);
        let outside = (1.0 - LEVEL) / 2.0;
        Interval {
            low: quantile(&means, outside),
            high: quantile(&means, 1.0 - outside),
        }
    }

    /// The difference over seeds that count `drawn` times each, with rows drawn anew.
    fn resampled(&self, drawn: &[f64], random: &mut ChaCha8Rng) -> f64 {
        let tasks = self.differences[0].len();
        let of_task = |task: usize| {
            let rows = self.differences[0][task].len();
            let sums = (0..rows).map(|_| {
                let row = random.random_range(0..rows);
                let seeds = self.differences.iter().zip(drawn);
                seeds
                    .map(|(tasks, times)| times * tasks[task][row])
                    .sum::<f64>()
            });
            sums.sum::<f64>() / (rows * drawn.len()) as f64
        };
        (0..tasks).map(of_task).sum::<f64>() / tasks as f64
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

/// The value below which a share of sorted values lies, interpolated between neighbours.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * (place - place.floor())
}

/// Spearman's rank correlation: the correlation of the ranks, where equal values share the mean of their
/// ranks. `None` for fewer than three pairs, or if one of the figures is the same in all of them.
///
/// # References
///
/// C. Spearman, The proof and measurement of association between two things, 1904.
pub fn rank_correlation(pairs: &[(f64, f64)]) -> Option<f64> {
    let finite = |(a, b): &&(f64, f64)| a.is_finite() && b.is_finite();
    let pairs: Vec<(f64, f64)> = pairs.iter().filter(finite).copied().collect();
    if pairs.len() < 3 {
        return None;
    }
    let first = ranks(&pairs.iter().map(|pair| pair.0).collect::<Vec<_>>());
    let second = ranks(&pairs.iter().map(|pair| pair.1).collect::<Vec<_>>());
    // The mean of all ranks, whatever is equal.
    let middle = (pairs.len() as f64 + 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| -> f64 {
        let both = a.iter().zip(b);
        both.map(|(a, b)| (a - middle) * (b - middle)).sum()
    };
    let scale = (product(&first, &first) * product(&second, &second)).sqrt();
    (scale > 0.0).then(|| product(&first, &second) / scale)
}

/// Ranks from 1; equal values share the mean of their ranks.
fn ranks(values: &[f64]) -> Vec<f64> {
    let rank = |value: &f64| {
        let below = values.iter().filter(|other| *other < value).count();
        let equal = values.iter().filter(|other| *other == value).count();
        below as f64 + (equal as f64 + 1.0) / 2.0
    };
    values.iter().map(rank).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "statistics_tests.rs"]
mod tests;
