//! The deviations of every quantity from the reference backend.

use serde::Serialize;

use super::Status;
use super::job::{Against, Quantity};
use runs::Backend;

/// All deviations with their limits.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Backends that completed the job; the first is the reference.
    pub backends: Vec<&'static str>,
    /// One row per quantity.
    pub rows: Vec<Row>,
    /// Seconds of every part of the job, by backend.
    pub seconds: Vec<(&'static str, Vec<f64>)>,
}

/// The deviations of one quantity.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// The largest deviation that passes.
    pub limit: f64,
    /// The deviations by backend; `None` for the reference backend if the others are compared with
    /// it.
    pub deviations: Vec<Option<f64>>,
}

impl Row {
    /// Whether a deviation passes; NaN never passes.
    pub fn passes(&self, deviation: f64) -> bool {
        deviation <= self.limit
    }
}

impl Comparison {
    /// Number of deviations that have a limit.
    pub fn figures(&self) -> usize {
        self.rows
            .iter()
            .flat_map(|row| &row.deviations)
            .flatten()
            .count()
    }

    /// Number of deviations beyond their limit.
    pub fn failures(&self) -> usize {
        let beyond = |row: &Row| {
            let found = row.deviations.iter().flatten();
            found.filter(|&&deviation| !row.passes(deviation)).count()
        };
        self.rows.iter().map(beyond).sum()
    }
}

/// Compares every backend that completed the job with the first one.
pub fn compare(results: &[(Backend, Status)]) -> Comparison {
    let ran: Vec<_> = results
        .iter()
        .filter_map(|(backend, status)| match status {
            Status::Ran(outcome) => Some((backend.name(), outcome)),
            _ => None,
        })
        .collect();
    let mut comparison = Comparison {
        backends: ran.iter().map(|(name, _)| *name).collect(),
        rows: Vec::new(),
        seconds: Vec::new(),
    };
    let Some((_, reference)) = ran.first() else {
        return comparison;
    };
    for (index, quantity) in reference.quantities.iter().enumerate() {
        let deviations = ran.iter().enumerate().map(|(backend, (_, outcome))| {
            let computed = &outcome.quantities[index];
            match quantity.against {
                Against::Reference if backend == 0 => None,
                Against::Reference => Some(deviation(quantity, computed)),
                Against::Zero => Some(largest(computed.values.iter().copied())),
            }
        });
        comparison.rows.push(Row {
            name: quantity.name.clone(),
            limit: quantity.limit,
            deviations: deviations.collect(),
        });
    }
    for (index, (part, _)) in reference.seconds.iter().enumerate() {
        let seconds = ran.iter().map(|(_, outcome)| outcome.seconds[index].1);
        comparison.seconds.push((part, seconds.collect()));
    }
    comparison
}

/// The largest absolute difference, divided by the reference's largest magnitude.
fn deviation(reference: &Quantity, computed: &Quantity) -> f64 {
    if reference.values.len() != computed.values.len() {
        return f64::INFINITY;
    }
    let pairs = reference.values.iter().zip(&computed.values);
    let difference = largest(pairs.map(|(a, b)| a - b));
    let size = largest(reference.values.iter().copied());
    if difference == 0.0 {
        0.0
    } else {
        difference / size
    }
}

/// The largest magnitude; NaN if any value is NaN.
fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |worst: f64, value| {
        if worst.is_nan() || value.is_nan() {
            f64::NAN
        } else {
            worst.max(value.abs())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::portability::job::Outcome;

    fn outcome(values: Vec<f64>, leak: f64) -> Status {
        let quantity = |values, against| Quantity {
            name: "q".to_string(),
            values,
            against,
            limit: 1e-3,
        };
        Status::Ran(Outcome {
            quantities: vec![
                quantity(values, Against::Reference),
                quantity(vec![leak], Against::Zero),
            ],
            seconds: vec![("part", 1.0)],
        })
    }

    #[test]
    fn deviations_fail_and_backends_that_did_not_run_get_no_column() {
        let results = [
            (Backend::Ndarray, outcome(vec![1.0, -4.0], 1e-4)),
            (Backend::Cuda, Status::NotRun("no driver".to_string())),
            (Backend::Flex, outcome(vec![1.0, -4.002], 1e-2)),
            (Backend::Wgpu, outcome(vec![1.1, f64::NAN], 1e-4)),
        ];
        let found = compare(&results);
        assert_eq!(found.backends, ["ndarray", "flex", "wgpu"]);
        assert_eq!(found.rows[0].deviations[0], None);
        let flex = found.rows[0].deviations[1].unwrap_or(f64::NAN);
        assert!((flex - 0.0005).abs() < 1e-12);
        assert!(found.rows[0].passes(flex) && !found.rows[0].passes(f64::NAN));
        // The leak of flex and the NaN of wgpu.
        assert_eq!((found.failures(), found.figures()), (2, 5));
    }

    #[test]
    fn different_lengths_fail_and_exact_quantities_pass() {
        let quantity = |values: &[f64]| Quantity {
            name: String::new(),
            values: values.to_vec(),
            against: Against::Reference,
            limit: 0.0,
        };
        assert_eq!(deviation(&quantity(&[3.0]), &quantity(&[3.0])), 0.0);
        assert_eq!(deviation(&quantity(&[0.0]), &quantity(&[0.0])), 0.0);
        assert!(deviation(&quantity(&[3.0]), &quantity(&[4.0])) > 0.0);
        assert_eq!(deviation(&quantity(&[3.0]), &quantity(&[])), f64::INFINITY);
    }
}
