//! Fits power laws `y = c xᵖ`.

/// A fitted power law.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Power {
    /// The exponent `p`.
    pub exponent: f64,
    /// Standard error of the exponent, from the residuals; 0 for two points.
    pub error: f64,
}

/// Fits `(x, y)` points by least squares on logarithms; `None` for fewer than two different `x`, or
/// if a value has no logarithm.
pub fn power(points: &[(f64, f64)]) -> Option<Power> {
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    if logs.iter().any(|(x, y)| !x.is_finite() || !y.is_finite()) {
        return None;
    }
    let count = logs.len() as f64;
    let mean = |values: fn(&(f64, f64)) -> f64| logs.iter().map(values).sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let joint: f64 = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    if logs.len() < 2 || spread <= 0.0 {
        return None;
    }
    let exponent = joint / spread;
    let off = logs
        .iter()
        .map(|(x, y)| (y - mean_y - exponent * (x - mean_x)).powi(2));
    let freedom = (logs.len() - 2).max(1) as f64;
    Some(Power {
        exponent,
        error: (off.sum::<f64>() / freedom / spread).sqrt(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_fit_finds_the_exponent_and_its_error() {
        let points: Vec<_> = [1.0, 2.0, 4.0, 8.0]
            .map(|x: f64| (x, 3.0 * x.powf(1.7)))
            .into();
        let fit = power(&points).unwrap();
        assert!((fit.exponent - 1.7).abs() < 1e-12 && fit.error < 1e-12);
        // The last of three points is off by the factor e: slope and error of the textbook's
        // formula.
        let off = [
            (1.0, 1.0),
            (1.0_f64.exp(), 1.0),
            (2.0_f64.exp(), 1.0_f64.exp()),
        ];
        let fit = power(&off).unwrap();
        assert!((fit.exponent - 0.5).abs() < 1e-12);
        assert!((fit.error - (1.0_f64 / 6.0 / 2.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn points_without_logarithms_or_spread_have_no_fit() {
        assert_eq!(power(&[]), None);
        assert_eq!(power(&[(2.0, 1.0)]), None);
        assert_eq!(power(&[(2.0, 1.0), (2.0, 3.0)]), None);
        assert_eq!(power(&[(1.0, 0.0), (2.0, 3.0)]), None);
        assert!(power(&[(1.0, 5.0), (2.0, 5.0)]).unwrap().exponent.abs() < 1e-12);
    }
}
