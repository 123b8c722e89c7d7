use super::*;

fn run(seed: u64, rows: &[&[f64]]) -> RunResult {
    let count = rows.len();
    let json = serde_json::json!({
        "method": "m",
        "seed": seed,
        "learning_rate": 1e-3,
        "tasks": (0..count).map(|task| format!("t{task}")).collect::<Vec<_>>(),
        "scores": vec![vec![None::<f64>; count]; count + 1],
        "row_scores": rows,
        "general": null,
        "trainable_parameters": 1,
        "training_seconds": 1.0,
    });
    serde_json::from_value(json).unwrap()
}

/// Two tasks, of two rows and of one.
fn pairs() -> Paired {
    let own = [
        run(0, &[&[100.0, 50.0], &[20.0]]),
        run(1, &[&[60.0, 0.0], &[40.0]]),
    ];
    let other = [
        run(1, &[&[0.0, 0.0], &[0.0]]),
        run(0, &[&[0.0, 100.0], &[50.0]]),
    ];
    Paired::new(&own, &other).unwrap().unwrap()
}

#[test]
fn the_difference_is_that_of_the_averages_by_hand() {
    // Seed 0: tasks (100 - 50) / 2 = 25 and -30; seed 1: tasks 30 and 40.
    let by_hand = ((25.0 - 30.0) / 2.0 + (30.0 + 40.0) / 2.0) / 2.0;
    assert!((pairs().mean() - by_hand).abs() < 1e-12);
}

#[test]
fn runs_that_are_no_pairs_are_refused_and_those_without_rows_left_out() {
    let own = [run(0, &[&[1.0, 2.0]])];
    assert!(Paired::new(&own, &[run(0, &[&[1.0]])]).is_err());
    assert_eq!(Paired::new(&own, &[run(1, &[&[1.0, 2.0]])]).unwrap(), None);
    assert_eq!(Paired::new(&own, &[run(0, &[])]).unwrap(), None);
}

#[test]
fn a_difference_that_is_the_same_everywhere_has_no_width() {
    let own = [
        run(0, &[&[7.0, 5.0], &[9.0]]),
        run(4, &[&[3.0, 4.0], &[2.5]]),
    ];
    let other = [
        run(0, &[&[5.0, 3.0], &[7.0]]),
        run(4, &[&[1.0, 2.0], &[0.5]]),
    ];
    let interval = Paired::new(&own, &other).unwrap().unwrap().interval(200, 3);
    assert!((interval.low - 2.0).abs() < 1e-12 && (interval.high - 2.0).abs() < 1e-12);
}

#[test]
fn the_bootstrap_reaches_from_the_lowest_to_the_highest_of_few_draws() {
    let pairs = pairs();
    assert_eq!(pairs.bootstrap(500, 1), pairs.bootstrap(500, 1));
    // All equally likely draws by hand: two seeds of two, two rows of two in the first task, one of one in the second.
    let mut all = Vec::new();
    for seeds in [[0, 0], [0, 1], [1, 0], [1, 1]] {
        for rows in [[0, 0], [0, 1], [1, 0], [1, 1]] {
            let of_seed = |seed: usize| {
                let tasks = &pairs.differences[seed];
                let first = (tasks[0][rows[0]] + tasks[0][rows[1]]) / 2.0;
                (first + tasks[1][0]) / 2.0
            };
            all.push((of_seed(seeds[0]) + of_seed(seeds[1])) / 2.0);
        }
    }
    let lowest = all.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // Each of the 16 draws has probability 1/16, more than the 2.5 % that the interval leaves out at either end.
    let interval = pairs.bootstrap(20_000, 5);
    assert!(
        (interval.low - lowest).abs() < 1e-9,
        "{interval:?} {lowest}"
    );
    assert!(
        (interval.high - highest).abs() < 1e-9,
        "{interval:?} {highest}"
    );
}

#[test]
fn with_few_seeds_the_interval_is_as_wide_as_that_of_student() {
    let pairs = pairs();
    // The differences of the seeds are -2.5 and 35: mean 16.25, standard error 18.75, one degree of freedom.
    let reach = 12.706_204_736 * 18.75;
    let seeds = pairs.of_seeds().unwrap();
    // Ten digits of the quantile.
    assert!((seeds.low - (16.25 - reach)).abs() < 1e-6, "{seeds:?}");
    assert!((seeds.high - (16.25 + reach)).abs() < 1e-6, "{seeds:?}");
    let (drawn, all) = (pairs.bootstrap(500, 1), pairs.interval(500, 1));
    assert!(drawn.low > all.low && drawn.high < all.high, "{drawn:?}");
    assert_eq!(all, seeds);

    // Seeds that agree say nothing of the rows, which do not.
    let own = [run(0, &[&[50.0, 0.0]]), run(1, &[&[50.0, 0.0]])];
    let none = [run(0, &[&[0.0, 0.0]]), run(1, &[&[0.0, 0.0]])];
    let pairs = Paired::new(&own, &none).unwrap().unwrap();
    assert_eq!(pairs.interval(500, 1), pairs.bootstrap(500, 1));
    let one = Paired::new(&own[..1], &none).unwrap().unwrap();
    assert_eq!(one.of_seeds(), None);
    assert_eq!(one.interval(500, 1), one.bootstrap(500, 1));
}

#[test]
fn the_interval_of_many_rows_is_that_of_the_normal_distribution() {
    let values: Vec<f64> = (0..400).map(|row| f64::from(row * 37 % 101)).collect();
    let none = vec![0.0; values.len()];
    let pairs = Paired::new(&[run(0, &[&values])], &[run(0, &[&none])]);
    let pairs = pairs.unwrap().unwrap();
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
    let error = (variance / count).sqrt();
    let interval = pairs.interval(5000, 7);
    // An end of the interval has a standard deviation of sqrt(0.025 · 0.975 / 5000) / φ(1.96) = 0.038 standard errors;
    // this is five of them.
    let close = |found: f64, expected: f64| (found - expected).abs() < 0.2 * error;
    assert!(close(interval.low, mean - 1.96 * error), "{interval:?}");
    assert!(close(interval.high, mean + 1.96 * error), "{interval:?}");
    assert_ne!(interval, pairs.interval(5000, 8));
}

#[test]
fn rows_are_drawn_for_all_seeds_together() {
    // The rows of the two seeds cancel each other: only drawing them apart would give the difference a spread.
    let own = [run(0, &[&[10.0, -10.0]]), run(1, &[&[-10.0, 10.0]])];
    let none = [run(0, &[&[0.0, 0.0]]), run(1, &[&[0.0, 0.0]])];
    let pairs = Paired::new(&own, &none).unwrap().unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..50 {
        assert!(pairs.resampled(&[1.0, 1.0], &mut random).abs() < 1e-12);
    }
}

#[test]
fn rank_correlations_match_those_by_hand() {
    let rising = [(1.0, 10.0), (2.0, 100.0), (3.0, 1000.0)];
    assert!((rank_correlation(&rising).unwrap() - 1.0).abs() < 1e-12);
    let falling = [(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)];
    assert!((rank_correlation(&falling).unwrap() + 1.0).abs() < 1e-12);
    // Without ties: 1 - 6 Σ d² / (n (n² - 1)) with d = (-1, 1, -1, 1).
    let mixed = [(1.0, 2.0), (2.0, 1.0), (3.0, 4.0), (4.0, 3.0)];
    let by_hand = 1.0 - 6.0 * 4.0 / (4.0 * 15.0);
    assert!((rank_correlation(&mixed).unwrap() - by_hand).abs() < 1e-12);
    // Ranks (1, 2.5, 2.5, 4) and (1, 2, 3, 4): covariance 4.5, variances 4.5 and 5.
    let tied = [(1.0, 1.0), (2.0, 2.0), (2.0, 3.0), (5.0, 4.0)];
    let by_hand = 4.5 / (4.5 * 5.0f64).sqrt();
    assert!((rank_correlation(&tied).unwrap() - by_hand).abs() < 1e-12);
}

#[test]
fn a_rank_correlation_needs_three_pairs_that_differ() {
    assert_eq!(rank_correlation(&[(1.0, 2.0), (2.0, 1.0)]), None);
    assert_eq!(
        rank_correlation(&[(1.0, 2.0), (1.0, 1.0), (1.0, 5.0)]),
        None
    );
    let with_nan = [(1.0, f64::NAN), (2.0, 1.0), (3.0, 2.0), (4.0, 3.0)];
    assert!((rank_correlation(&with_nan).unwrap() - 1.0).abs() < 1e-12);
}
