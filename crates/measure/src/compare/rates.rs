//! Learning rates at which a method is safe: close to the best that it reaches.

use continual::metrics;

use super::entry::{AtRate, Entry};

/// Points below a method's best that still count as close.
pub const CLOSE: f64 = 2.0;

/// The learning rates of a method that are close to its best.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SafeRates {
    /// Learning rates that were run.
    pub tried: usize,
    /// The seeds over which they are compared: those that every one of them was run with.
    pub seeds: Vec<u64>,
    /// Those whose AA is close to the method's best AA.
    pub accuracy: Vec<f64>,
    /// Those of them whose score of general knowledge is close to the method's best too; `None` if there is no
    /// such score.
    pub general: Option<Vec<f64>>,
}

impl SafeRates {
    /// The safe rates of an entry. A rate at which a run diverged, with whatever seed, is not safe.
    pub fn of(entry: &Entry) -> Self {
        let seeds = entry.common_seeds();
        let points: Vec<Point> = entry
            .tried()
            .filter_map(|at| Point::of(at, &seeds))
            .collect();
        Self {
            tried: entry.tried().count(),
            seeds,
            ..Self::among(&points)
        }
    }

    fn among(points: &[Point]) -> Self {
        let best = |figure: fn(&Point) -> Option<f64>| {
            let values = points.iter().filter_map(figure);
            values.reduce(f64::max)
        };
        let accuracy = best(|point| Some(point.accuracy));
        let general = best(|point| point.general);
        let close: Vec<&Point> = points
            .iter()
            .filter(|point| accuracy.is_some_and(|best| point.accuracy >= best - CLOSE))
            .collect();
        let rates = |points: Vec<&Point>| points.iter().map(|point| point.rate).collect();
        Self {
            general: general.map(|best| {
                let knows = |point: &&&Point| point.general.is_some_and(|own| own >= best - CLOSE);
                rates(close.iter().filter(knows).copied().collect())
            }),
            accuracy: rates(close),
            ..Self::default()
        }
    }
}

/// A learning rate with its means over seeds.
struct Point {
    rate: f64,
    accuracy: f64,
    general: Option<f64>,
}

impl Point {
    fn of(at: &AtRate, seeds: &[u64]) -> Option<Self> {
        let summary = at.over(seeds).filter(|_| at.diverged.is_empty())?;
        Some(Self {
            rate: at.rate,
            accuracy: summary.figure(metrics::average_accuracy)?.0,
            general: summary.general_after().map(|(mean, _)| mean),
        })
    }
}

/// Rates as a table shows them.
pub fn shown(rates: &[f64]) -> String {
    let rates: Vec<String> = rates.iter().map(|rate| format!("{rate:e}")).collect();
    match rates.is_empty() {
        true => "none".to_string(),
        false => rates.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_within_two_points_of_the_best_are_safe() {
        let point = |(rate, accuracy, general)| Point {
            rate,
            accuracy,
            general,
        };
        let points = [
            (1e-4, 40.0, Some(99.0)),
            (3e-4, 48.0, Some(98.0)),
            (1e-3, 50.0, Some(96.9)),
            (3e-3, 47.9, Some(99.0)),
        ];
        let safe = SafeRates::among(&points.map(point));
        assert_eq!(safe.accuracy, [3e-4, 1e-3]);
        assert_eq!(safe.general, Some(vec![3e-4]));
        let without = SafeRates::among(&[point((1.0, 5.0, None))]);
        assert_eq!(without.general, None);
        assert_eq!(SafeRates::among(&[]), SafeRates::default());
        assert_eq!(shown(&[3e-4, 1e-3]), "3e-4, 1e-3");
        assert_eq!(shown(&[]), "none");
    }
}
