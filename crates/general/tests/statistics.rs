//! Means, standard errors, intervals and the sign test.

#![allow(clippy::unwrap_used)]

mod common;

use common::assert_near;
use general::{Bootstrap, GroupMean, Observation, Sample, sign_test};

fn sample(rows: &[(usize, f64, f64)], mean: GroupMean) -> Sample {
    let rows = rows.iter().map(|&(group, value, weight)| Observation {
        group,
        value,
        weight,
    });
    Sample::new(rows, mean).unwrap()
}

fn interval(sample: &Sample, seed: u64) -> (f64, f64) {
    let bootstrap = Bootstrap {
        seed,
        ..Bootstrap::default()
    };
    let interval = bootstrap.interval(sample).unwrap();
    (interval.low, interval.high)
}

#[test]
fn groups_count_by_size_or_alike() {
    let rows = [
        (7, 1.0, 1.0),
        (7, 2.0, 1.0),
        (7, 6.0, 1.0),
        (2, 10.0, 1.0),
        (2, 12.0, 1.0),
    ];
    let by_rows = sample(&rows, GroupMean::Rows);
    assert_near(by_rows.mean(), 31.0 / 5.0, "the mean over rows");
    // Squares around the groups' means of 3 and 11: 14 and 2, with 5 - 2 degrees of freedom.
    let expected = (16.0 / 3.0 / 5.0_f64).sqrt();
    assert_near(by_rows.standard_error().unwrap(), expected, "its error");

    let by_groups = sample(&rows, GroupMean::Groups);
    assert_near(by_groups.mean(), 7.0, "the mean over groups");
    // Errors of the groups: the root of 14 / 2 / 3 and of 2 / 1 / 2.
    let expected = (7.0 / 3.0 + 1.0_f64).sqrt() / 2.0;
    assert_near(by_groups.standard_error().unwrap(), expected, "its error");
}

#[test]
fn one_group_has_the_usual_standard_error() {
    let rows = [(0, 1.0, 1.0), (0, 2.0, 1.0), (0, 6.0, 1.0)];
    for mean in [GroupMean::Rows, GroupMean::Groups] {
        let error = sample(&rows, mean).standard_error().unwrap();
        assert_near(error, (7.0 / 3.0_f64).sqrt(), "the error");
    }
}

#[test]
fn too_few_rows_have_no_standard_error() {
    for mean in [GroupMean::Rows, GroupMean::Groups] {
        assert_eq!(sample(&[(0, 1.0, 1.0)], mean).standard_error(), None);
        assert_eq!(
            sample(&[(0, 1.0, 1.0), (1, 2.0, 1.0)], mean).standard_error(),
            None
        );
    }
    let uneven = [(0, 1.0, 1.0), (0, 2.0, 1.0), (1, 2.0, 1.0)];
    assert_eq!(sample(&uneven, GroupMean::Groups).standard_error(), None);
}

#[test]
fn impossible_observations_are_refused() {
    let refused = |rows: &[(f64, f64)]| {
        let rows = rows.iter().map(|&(value, weight)| Observation {
            group: 0,
            value,
            weight,
        });
        Sample::new(rows, GroupMean::Rows).unwrap_err().to_string()
    };
    assert_eq!(
        refused(&[]),
        "the number of rows must be at least 1, found 0"
    );
    assert_eq!(
        refused(&[(f64::NAN, 1.0)]),
        "a row's value must be finite, found NaN"
    );
    for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let expected = format!("a row's weight must be a positive number, found {weight}");
        assert_eq!(refused(&[(1.0, weight)]), expected);
    }
}

#[test]
fn an_interval_only_depends_on_rows_and_seed() {
    let rows: Vec<_> = (0..50)
        .map(|n| (n % 3, f64::from(n as u32 % 7), 1.0))
        .collect();
    let sample = sample(&rows, GroupMean::Groups);
    assert_eq!(interval(&sample, 1), interval(&sample, 1));
    assert_ne!(interval(&sample, 1), interval(&sample, 2));
}

/// For 400 rows the normal approximation holds: 1.96 standard errors on both sides. Of the ends,
/// 10000 resamples leave a standard deviation of 2.7 % of a standard error (the density at the
/// 2.5th percentile is 0.058), and the steps of a share of 400 rows are 0.1 standard errors: the
/// tolerance is twice their sum.
#[test]
fn an_interval_is_as_wide_as_theory_says() {
    let tolerance = 2.0 * (0.027 + 0.1);
    for weight in [1.0, 5.0] {
        let rows: Vec<_> = (0..400)
            .map(|n| (0, f64::from(n % 4 == 0), weight))
            .collect();
        let sample = sample(&rows, GroupMean::Rows);
        let error = sample.standard_error().unwrap();
        let (low, high) = interval(&sample, 3);
        for (end, sign) in [(low, -1.0), (high, 1.0)] {
            let distance = (end - sample.mean()) * sign / error;
            assert!(
                (distance - 1.96).abs() < tolerance,
                "{distance} standard errors"
            );
        }
    }
}

#[test]
fn rows_are_drawn_from_their_own_group() {
    // Groups whose rows are all equal leave nothing to chance.
    let rows = [
        (0, 1.0, 1.0),
        (0, 1.0, 1.0),
        (1, 5.0, 1.0),
        (1, 5.0, 1.0),
        (1, 5.0, 1.0),
    ];
    for (mean, expected) in [(GroupMean::Rows, 17.0 / 5.0), (GroupMean::Groups, 3.0)] {
        let (low, high) = interval(&sample(&rows, mean), 0);
        assert_near(low, expected, "the lower end");
        assert_near(high, expected, "the upper end");
    }
}

#[test]
fn weights_are_drawn_with_their_values() {
    // A mean of equal values does not depend on how much each counts.
    let rows: Vec<_> = (1..20).map(|n| (0, 2.5, f64::from(n))).collect();
    let (low, high) = interval(&sample(&rows, GroupMean::Rows), 0);
    assert_near(low, 2.5, "the lower end");
    assert_near(high, 2.5, "the upper end");
    // One heavy row, in 64 % of the draws at least once, holds the upper end near its own value.
    let mut rows = vec![(0, 0.0, 1.0); 20];
    rows.push((0, 1.0, 1e6));
    let (low, high) = interval(&sample(&rows, GroupMean::Rows), 0);
    assert!(low == 0.0 && high > 0.999, "{low} to {high}");
}

#[test]
fn settings_out_of_range_are_refused() {
    let sample = sample(&[(0, 1.0, 1.0)], GroupMean::Rows);
    let refused = |resamples, level| {
        let bootstrap = Bootstrap {
            resamples,
            level,
            seed: 0,
        };
        bootstrap.interval(&sample).unwrap_err().to_string()
    };
    let expected = "the number of resamples must be from 1 to 10000000, found 0";
    assert_eq!(refused(0, 0.95), expected);
    assert!(refused(usize::MAX, 0.95).starts_with("the number of resamples"));
    for level in [0.0, 1.0, -1.0, f64::NAN] {
        let expected = format!("the level of an interval must be between 0 and 1, found {level}");
        assert_eq!(refused(10, level), expected);
    }
}

fn differences(positive: usize, negative: usize, equal: usize) -> Vec<f64> {
    let parts = [(1.0, positive), (-1.0, negative), (0.0, equal)];
    let parts = parts.into_iter();
    parts
        .flat_map(|(value, count)| vec![value; count])
        .collect()
}

#[test]
fn the_sign_test_counts_coins() {
    let p = |positive, negative| sign_test(&differences(positive, negative, 3)).p_value;
    assert_eq!(p(0, 0), 1.0);
    assert_eq!(p(4, 4), 1.0);
    // Terms are exponentials of logarithms, which carry their rounding into the last digits.
    for (positive, negative, expected) in [
        (5, 0, 2.0 / 32.0),
        (9, 1, 2.0 * 11.0 / 1024.0),
        (2, 10, 2.0 * (1.0 + 12.0 + 66.0) / 4096.0),
        (0, 1, 1.0),
    ] {
        assert_near(p(positive, negative), expected, "p");
        assert_near(p(negative, positive), expected, "p of the other side");
    }
    let counts = sign_test(&differences(2, 1, 4));
    assert_eq!((counts.positive, counts.negative, counts.equal), (2, 1, 4));
}

/// Exact sums of binomial coefficients, in integers.
#[test]
fn the_sign_test_agrees_with_integers_for_up_to_sixty_coins() {
    let mut row = vec![1_u128];
    for count in 1..=60_usize {
        let next = (0..=count).map(|k| {
            let left = k.checked_sub(1).map_or(0, |k| row[k]);
            left + row.get(k).copied().unwrap_or(0)
        });
        row = next.collect();
        for rarer in 0..=count / 2 {
            let tail: u128 = row[..=rarer].iter().sum();
            let expected = f64::min(1.0, 2.0 * tail as f64 / 2_f64.powi(count as i32));
            let found = sign_test(&differences(rarer, count - rarer, 0)).p_value;
            assert_near(found, expected, "p");
        }
    }
}

/// Thousands of coins: the normal approximation with its correction for continuity is within 1 %
/// at two standard deviations (the skewness is 0).
#[test]
fn the_sign_test_holds_for_thousands_of_rows() {
    // 7000 coins have a standard deviation of 41.83, so 3416 lies (3500 - 3416.5) / 41.83 = 1.9960
    // below the mean: 2 * 0.022967.
    let p = sign_test(&differences(3416, 3584, 0)).p_value;
    assert!((p / 0.045_934 - 1.0).abs() < 0.01, "{p}");
}
