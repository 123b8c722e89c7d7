//! `y = c xᵖ`, fitted.

/// A power law through points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Power {
    /// `p`.
    pub exponent: f64,
    /// Standard error of the exponent, from how far the points lie off the line; 0 for two points.
    pub error: f64,
}

/// Fits by least squares in logarithms; `None` for fewer than two different `x`, or values that have no
/// logarithm.
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
    fn a_power_law_gives_its_exponent() {
        let points: Vec<_> = [1.0, 2.0, 4.0, 8.0]
            .map(|x: f64| (x, 3.0 * x.powf(1.7)))
            .into();
        let fit = power(&points).unwrap();
        assert!((fit.exponent - 1.7).abs() < 1e-12 && fit.error < 1e-12);
        // One point off by e at the end of three: the textbook's slope and error.
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
    fn what_has_no_exponent_has_none() {
        assert_eq!(power(&[]), None);
        assert_eq!(power(&[(2.0, 1.0)]), None);
        assert_eq!(power(&[(2.0, 1.0), (2.0, 3.0)]), None);
        assert_eq!(power(&[(1.0, 0.0), (2.0, 3.0)]), None);
        assert!(power(&[(1.0, 5.0), (2.0, 5.0)]).unwrap().exponent.abs() < 1e-12);
    }
}
