//! Whether more rows became better than worse.

use std::f64::consts::LN_2;

/// An exact test of pairs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SignTest {
    /// Rows with a positive difference.
    pub positive: usize,
    /// Rows with a negative difference.
    pub negative: usize,
    /// Rows without a difference; they do not count.
    pub equal: usize,
    /// Probability of so uneven a split, or a more uneven one, if both signs are equally likely;
    /// two-sided.
    pub p_value: f64,
}

/// Tests whether differences of pairs are more often of one sign than chance explains. For values
/// that are right or wrong it is McNemar's exact test.
///
/// # References
///
/// Q. McNemar, Note on the sampling error of the difference between correlated proportions, 1947;
/// the exact form is the binomial test of the pairs that differ.
pub fn sign_test(differences: &[f64]) -> SignTest {
    let positive = differences.iter().filter(|d| **d > 0.0).count();
    let negative = differences.iter().filter(|d| **d < 0.0).count();
    SignTest {
        positive,
        negative,
        equal: differences.len() - positive - negative,
        p_value: two_sided(positive.min(negative), positive + negative),
    }
}

/// Probability that the rarer side of `count` fair coins has at most `rarer` of them.
fn two_sided(rarer: usize, count: usize) -> f64 {
    // Binomial coefficients beyond 1000 coins exceed f64, so terms are kept as logarithms.
    let mut term = -LN_2 * count as f64;
    let mut tail = 0.0;
    for chosen in 0..=rarer {
        tail += term.exp();
        term += ((count - chosen) as f64 / (chosen + 1) as f64).ln();
    }
    // If both sides are equal, the middle term is counted twice.
    f64::min(1.0, 2.0 * tail)
}
