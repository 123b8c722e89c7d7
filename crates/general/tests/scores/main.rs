//! Scores equal values computed by hand, on twenty made-up rows for each suite and protocol.

#![allow(clippy::unwrap_used)]

mod choices;
#[path = "../common/mod.rs"]
mod common;
mod generated;
mod own;

use common::{assert_near, text};
use general::{Score, Suite};

/// Scores twenty outputs, and compares every value of every measure with the expected ones.
fn assert_values<const N: usize>(
    suite: &Suite,
    rows: &[(&str, [f64; N])],
    tolerance: f64,
) -> Score {
    assert_eq!(rows.len(), 20);
    let responses: Vec<_> = rows.iter().map(|(output, _)| text(output)).collect();
    let score = suite.score(&responses).unwrap();
    assert_eq!(score.measures.len(), N);
    for (measure, index) in score.measures.iter().zip(0..) {
        for (value, (output, expected)) in measure.values.iter().zip(rows) {
            let expected: f64 = expected[index];
            assert!(
                (value - expected).abs() <= tolerance,
                "{} of {output:?}: {value}, expected {expected}",
                measure.name
            );
        }
    }
    score
}

/// Compares means and standard errors by measure.
fn assert_means(score: &Score, expected: &[(&str, f64, f64)]) {
    assert_eq!(score.measures.len(), expected.len());
    for (measure, (name, mean, error)) in score.measures.iter().zip(expected) {
        assert_eq!(measure.name, *name);
        assert_near(measure.mean, *mean, name);
        assert_near(measure.standard_error.unwrap(), *error, name);
    }
}
