//! Rank correlations, and how sure they are.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Pairs of numbers whose orders are compared.
pub type Pairs = Vec<(f64, f64)>;

/// Samples that an interval is taken from: the ends of a 95 % interval are then known to about a tenth of its width.
const SAMPLES: usize = 1000;

/// A rank correlation.
pub type Correlation = fn(&[(f64, f64)]) -> Option<f64>;

/// A mean correlation with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Mean over the groups.
    pub mean: f64,
    /// Ends of the interval.
    pub interval: [f64; 2],
}

/// Spearman's ρ: the correlation of the ranks, where equal numbers share the mean of their ranks. `None` if one side has
/// a single value.
///
/// # References
///
/// Spearman, "The proof and measurement of association between two things", 1904.
pub fn spearman(pairs: &[(f64, f64)]) -> Option<f64> {
    let first = ranks(pairs.iter().map(|pair| pair.0));
    let second = ranks(pairs.iter().map(|pair| pair.1));
    // The mean of all ranks, with or without ties.
    let mean = (pairs.len() as f64 + 1.0) / 2.0;
    let (mut product, mut squares) = (0.0, [0.0, 0.0]);
    for (a, b) in first.iter().zip(&second) {
        let (a, b) = (a - mean, b - mean);
        product += a * b;
        squares[0] += a * a;
        squares[1] += b * b;
    }
    let [a, b] = squares;
    (a > 0.0 && b > 0.0).then(|| product / (a * b).sqrt())
}

/// Kendall's τ-b: pairs of points in the same order minus those in the opposite one, with ties counted on each side.
/// `None` if one side has a single value.
///
/// # References
///
/// Kendall, "The treatment of ties in ranking problems", 1945.
pub fn kendall(pairs: &[(f64, f64)]) -> Option<f64> {
    let sign = |a: f64, b: f64| f64::from(i8::from(a > b) - i8::from(a < b));
    let (mut agreement, mut different) = (0.0, [0.0_f64, 0.0]);
    for (index, one) in pairs.iter().enumerate() {
        for other in &pairs[..index] {
            let (a, b) = (sign(one.0, other.0), sign(one.1, other.1));
            agreement += a * b;
            different[0] += a * a;
            different[1] += b * b;
        }
    }
    let [a, b] = different;
    (a > 0.0 && b > 0.0).then(|| agreement / (a * b).sqrt())
}

/// The mean of a correlation over groups of pairs, with a 95 % bootstrap interval: pairs are drawn with replacement
/// inside of every group, and the ends are percentiles of the means. Groups without a correlation are left out; `None`
/// if all are.
///
/// # References
///
/// Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13: the percentile interval.
pub fn estimate(groups: &[Pairs], correlation: Correlation, seed: u64) -> Option<Estimate> {
    let mean = mean_over(groups, correlation)?;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut sampled: Vec<f64> = (0..SAMPLES)
        .filter_map(|_| {
            let drawn: Vec<Pairs> = groups
                .iter()
                .map(|group| drawn(group, &mut random))
                .collect();
            mean_over(&drawn, correlation)
        })
        .collect();
    sampled.sort_by(f64::total_cmp);
    let last = sampled.len().checked_sub(1)?;
    let at = |share: f64| sampled[(share * last as f64).round() as usize];
    Some(Estimate {
        mean,
        interval: [at(0.025), at(0.975)],
    })
}

/// The mean of a correlation over the groups that have one.
pub fn mean_over(groups: &[Pairs], correlation: Correlation) -> Option<f64> {
    let found: Vec<f64> = groups.iter().filter_map(|g| correlation(g)).collect();
    match found.is_empty() {
        true => None,
        false => Some(found.iter().sum::<f64>() / found.len() as f64),
    }
}

fn drawn(group: &[(f64, f64)], random: &mut ChaCha8Rng) -> Pairs {
    let pairs = (0..group.len()).map(|_| group[random.random_range(0..group.len())]);
    pairs.collect()
}

/// Ranks from 1; equal numbers share the mean of theirs.
fn ranks(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let values: Vec<f64> = values.collect();
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut place = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = place as f64 + (equal.len() as f64 + 1.0) / 2.0;
        for &index in equal {
            ranks[index] = rank;
        }
        place += equal.len();
    }
    ranks
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Correlations of a dozen pairs in f64.
    const ROUNDING: f64 = 1e-12;

    fn pairs(first: &[f64], second: &[f64]) -> Pairs {
        first.iter().copied().zip(second.iter().copied()).collect()
    }

    #[test]
    fn ties_share_the_mean_rank() {
        let shared = ranks([3.0, 1.0, 3.0, 2.0, 3.0, -1.0].into_iter());
        assert_eq!(shared, [5.0, 2.0, 5.0, 3.0, 5.0, 1.0]);
    }

    #[test]
    fn hand_made_pairs_with_ties_have_their_correlations() {
        // Ranks (1, 2.5, 2.5, 4) and (1, 2, 3.5, 3.5): deviations (-1.5, 0, 0, 1.5) and (-1.5, -0.5, 1, 1), so that
        // ρ = 3.75 / sqrt(4.5 · 4.5). Of six pairs of points four agree and one is tied on each side: τ = 4 / 5.
        let tied = pairs(&[1.0, 2.0, 2.0, 3.0], &[10.0, 20.0, 30.0, 30.0]);
        assert!((spearman(&tied).unwrap() - 3.75 / 4.5).abs() < ROUNDING);
        assert!((kendall(&tied).unwrap() - 0.8).abs() < ROUNDING);
        // Without ties: ρ = 1 - 6 Σd² / n(n² - 1) with d = (0, 1, -1, 0); one of six pairs disagrees.
        let swapped = pairs(&[1.0, 2.0, 3.0, 4.0], &[5.0, 7.0, 6.0, 8.0]);
        assert!((spearman(&swapped).unwrap() - 0.8).abs() < ROUNDING);
        assert!((kendall(&swapped).unwrap() - 4.0 / 6.0).abs() < ROUNDING);
    }

    #[test]
    fn opposite_orders_have_minus_one_and_a_constant_has_none() {
        let opposite = pairs(&[1.0, 2.0, 3.0], &[-1.0, -10.0, -1e9]);
        assert!((spearman(&opposite).unwrap() + 1.0).abs() < ROUNDING);
        assert!((kendall(&opposite).unwrap() + 1.0).abs() < ROUNDING);
        let constant = pairs(&[1.0, 2.0, 3.0], &[4.0; 3]);
        assert_eq!((spearman(&constant), kendall(&constant)), (None, None));
        assert_eq!((spearman(&[]), kendall(&[])), (None, None));
        // 0 and -0 are equal numbers.
        assert_eq!(kendall(&pairs(&[0.0, -0.0], &[1.0, 2.0])), None);
    }

    #[test]
    fn an_interval_holds_its_mean_is_seeded_and_narrows_with_more_pairs() {
        let noisy = |count: usize, seed: u64| -> Pairs {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let points = (0..count).map(|_| {
                let x: f64 = random.random();
                (x, x + random.random::<f64>())
            });
            points.collect()
        };
        let few = estimate(&[noisy(20, 1)], spearman, 7).unwrap();
        assert_eq!(few, estimate(&[noisy(20, 1)], spearman, 7).unwrap());
        assert_ne!(few, estimate(&[noisy(20, 1)], spearman, 8).unwrap());
        let many = estimate(&[noisy(500, 1)], spearman, 7).unwrap();
        let width = |estimate: &Estimate| estimate.interval[1] - estimate.interval[0];
        for found in [&few, &many] {
            assert!(found.interval[0] < found.mean && found.mean < found.interval[1]);
        }
        // Widths fall with the square root of the number of pairs, here by five.
        assert!(width(&many) < 0.5 * width(&few), "{many:?} {few:?}");
    }

    #[test]
    fn a_mean_is_over_the_groups_that_have_a_correlation() {
        let rising = pairs(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]);
        let swapped = pairs(&[1.0, 2.0, 3.0, 4.0], &[5.0, 7.0, 6.0, 8.0]);
        let constant = pairs(&[1.0, 2.0], &[4.0, 4.0]);
        let mean = mean_over(&[rising, constant.clone(), swapped], spearman).unwrap();
        assert!((mean - 0.9).abs() < ROUNDING);
        assert_eq!(estimate(&[constant], spearman, 0), None);
    }
}
