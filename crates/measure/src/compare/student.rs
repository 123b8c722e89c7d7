//! Student's distribution: how far a mean over few values may be off.

use std::f64::consts::PI;

/// The value that a variable of Student's distribution exceeds with probability `(1 - level) / 2`, so that it lies
/// between it and its negative with probability `level`, for 1 or more degrees of freedom.
///
/// # References
///
/// M. Abramowitz and I. A. Stegun, Handbook of Mathematical Functions, 1964, equations 26.7.3 and 26.7.4.
pub fn two_sided_quantile(level: f64, degrees: usize) -> f64 {
    // As `t = √ν tan θ`, for which θ has ends.
    let (mut low, mut high) = (0.0, PI / 2.0);
    // Each step halves what is left; after these it is what an f64 between 0 and 2 can distinguish.
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        match between(middle, degrees) < level {
            true => low = middle,
            false => high = middle,
        }
    }
    (degrees as f64).sqrt() * f64::midpoint(low, high).tan()
}

/// The probability of a value between `-√ν tan θ` and `√ν tan θ`.
fn between(theta: f64, degrees: usize) -> f64 {
    let cosine = theta.cos();
    let odd = degrees % 2 == 1;
    // The sum of the products of 2/3, 4/5, … or 1/2, 3/4, … with powers of the cosine.
    let (mut term, mut sum) = (if odd { cosine } else { 1.0 }, 0.0);
    let first = if odd { 1 } else { 0 };
    for power in (first..degrees.saturating_sub(1)).step_by(2) {
        sum += term;
        term *= (power + 1) as f64 / (power + 2) as f64 * cosine * cosine;
    }
    match odd {
        true => 2.0 / PI * (theta + theta.sin() * sum),
        false => theta.sin() * sum,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_match_published_tables() {
        // Abramowitz and Stegun, table 26.10, with three decimals.
        let table = [
            (1, 12.706),
            (2, 4.303),
            (3, 3.182),
            (4, 2.776),
            (5, 2.571),
            (10, 2.228),
            (29, 2.045),
            (120, 1.980),
        ];
        for (degrees, expected) in table {
            let found = two_sided_quantile(0.95, degrees);
            assert!((found - expected).abs() < 5e-4, "{degrees}: {found}");
        }
        assert!((two_sided_quantile(0.99, 4) - 4.604).abs() < 5e-4);
    }
}
