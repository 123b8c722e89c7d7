//! Merging at the end of a task: the rules against their formulas in f64, and their limits.

use burn::tensor::Device;
use continual::method::TaskContext;
use continual::methods::{MergeMethod, MergeRule, SeqFt, TaskWeight, TaskWeightName, between};
use continual::trainer::TrainConfig;
use continual::{Clock, ContinualError, Method};
use lm::Decoder;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::common::*;

const TIES: MergeRule = MergeRule::Ties {
    density: 0.3,
    scale: 0.7,
};

/// Lengths of the parameters of [`model`], in its order.
fn lengths(model: &Decoder) -> Vec<usize> {
    use burn::module::{Module, ModuleVisitor, Param};
    use burn::tensor::Tensor;
    struct Lengths(Vec<usize>);
    impl ModuleVisitor for Lengths {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(param.dims().iter().product());
        }
    }
    let mut lengths = Lengths(Vec::new());
    model.visit(&mut lengths);
    lengths.0
}

/// The weights after each task of a sequence whose tasks end with the weights `ends`.
fn through(device: &Device, rule: MergeRule, ends: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let tasks = tasks(&tokenizer());
    let optimizer = TrainConfig::default().optimizer();
    let mut method = MergeMethod::new(rule).unwrap();
    let mut model = model(&device.clone().autodiff());
    let mut after = Vec::new();
    for (index, end) in ends.iter().enumerate() {
        let clock = Clock::start();
        let context = TaskContext {
            index,
            count: ends.len(),
            first: 0,
            task: &tasks[index % tasks.len()],
            clock: &clock,
            optimizer: &optimizer,
        };
        let (begun, _) = method.begin_task(model, context).unwrap();
        let trained = with_weights(begun, end);
        (model, _) = method.end_task(trained, context).unwrap();
        after.push(weights(&model));
    }
    after
}

fn drawn(count: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| rng.random::<f32>() - 0.5).collect()
}

fn close(found: &[f32], expected: &[f64], case: &str) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        // A few operations in f32 on numbers below 2.
        let error = (f64::from(*found) - expected).abs();
        assert!(error < 2e-6, "{case}: {found} and {expected}");
    }
}

/// A task that changes nothing, first from the base model and then from another one.
#[test]
fn merging_a_model_with_itself_is_the_identity() {
    // What is trimmed of a model's change since the base is lost, also where a task changes nothing.
    let untrimmed = MergeRule::Ties {
        density: 1.0,
        scale: 1.0,
    };
    let rules = [
        MergeRule::Line(TaskWeight::Fixed(0.3)),
        MergeRule::Sphere(TaskWeight::Fixed(0.3)),
        untrimmed,
        MergeRule::HardThreshold,
    ];
    for (backend, device) in backends() {
        let own = weights(&model(&device));
        for rule in rules.into_iter().chain([TIES]) {
            let after = through(&device, rule, &[own.clone(), own.clone()]);
            assert!(
                after.iter().all(|after| *after == own),
                "{backend} {rule:?}"
            );
        }
        for rule in rules {
            let end = drawn(own.len(), 3);
            let learned = through(&device, rule, std::slice::from_ref(&end)).remove(0);
            assert_ne!(learned, own, "{backend} {rule:?}");
            let after = through(&device, rule, &[end, learned.clone()]).remove(1);
            let learned: Vec<f64> = learned.into_iter().map(f64::from).collect();
            close(&after, &learned, &format!("{backend} {rule:?}"));
        }
    }
}

/// Both ends of the line are the two models, to the last bit and with the signs of zeros.
#[test]
fn the_ends_of_a_line_are_the_two_models() {
    for (backend, device) in backends() {
        let start = model(&device);
        let count = weights(&start).len();
        let mut values = drawn(count, 5);
        values[..8].fill(-0.0);
        let start = with_weights(start, &values);
        let end = with_weights(model(&device), &drawn(count, 6));
        let bits = |model: &Decoder| -> Vec<u32> {
            let values = weights(model).into_iter();
            values.map(f32::to_bits).collect()
        };
        for (share, expected) in [(0.0, &start), (1.0, &end)] {
            let found = between(&start, end.clone(), share);
            assert_eq!(bits(&found), bits(expected), "{backend} {share}");
        }
        let middle = weights(&between(&start, end.clone(), 0.5));
        let expected = values.iter().zip(weights(&end));
        let expected: Vec<f64> = expected
            .map(|(a, b)| (f64::from(*a) + f64::from(b)) / 2.0)
            .collect();
        close(&middle, &expected, backend);
    }
}

#[test]
fn a_line_ends_at_the_fine_tuned_model_and_divides_the_change() {
    for (backend, device) in backends() {
        let own = weights(&model(&device));
        let ends = [
            drawn(own.len(), 1),
            drawn(own.len(), 2),
            drawn(own.len(), 3),
        ];
        let whole = MergeRule::Line(TaskWeight::Fixed(1.0));
        assert_eq!(through(&device, whole, &ends), ends, "{backend}");
        let by_task = [
            (TaskWeight::Fixed(0.25), [0.25, 0.25, 0.25]),
            (
                TaskWeight::ByTask(TaskWeightName::Inverse),
                [1.0, 1.0 / 2.0, 1.0 / 3.0],
            ),
            (
                TaskWeight::ByTask(TaskWeightName::InverseRoot),
                [1.0, 0.5_f64.sqrt(), (1.0 / 3.0_f64).sqrt()],
            ),
        ];
        for (weight, shares) in by_task {
            let after = through(&device, MergeRule::Line(weight), &ends);
            let mut expected: Vec<f64> = own.iter().copied().map(f64::from).collect();
            for ((share, end), after) in shares.into_iter().zip(&ends).zip(&after) {
                for (value, end) in expected.iter_mut().zip(end) {
                    *value += share * (f64::from(*end) - *value);
                }
                close(after, &expected, &format!("{backend} {weight:?}"));
            }
        }
    }
}

#[test]
fn without_a_share_taken_away_training_is_plain_fine_tuning() {
    let (_, device) = backends().remove(1);
    let settings = config(TrainConfig::default());
    let (plain, _) = run(&device, &mut SeqFt, &settings);
    let rule = MergeRule::Line(TaskWeight::Fixed(1.0));
    let (merged, _) = run(&device, &mut MergeMethod::new(rule).unwrap(), &settings);
    assert_eq!(weights(&merged.model), weights(&plain.model));
    assert_eq!(merged.matrix, plain.matrix);
}

#[test]
fn a_sphere_goes_along_the_arc_of_every_parameter() {
    for (backend, device) in backends() {
        let start = model(&device);
        let (own, lengths) = (weights(&start), lengths(&start));
        let end = drawn(own.len(), 7);
        let rule = MergeRule::Sphere(TaskWeight::Fixed(0.4));
        let after = through(&device, rule, std::slice::from_ref(&end)).remove(0);
        let mut expected = Vec::new();
        let mut first = 0;
        for length in lengths {
            let part = first..first + length;
            let wide = |values: &[f32]| -> Vec<f64> {
                values[part.clone()]
                    .iter()
                    .copied()
                    .map(f64::from)
                    .collect()
            };
            let (a, b) = (wide(&own), wide(&end));
            let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
            let angle = (dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()).acos();
            let (of_a, of_b) = ((0.6 * angle).sin(), (0.4 * angle).sin());
            let pairs = a.iter().zip(&b);
            expected.extend(pairs.map(|(a, b)| (of_a * a + of_b * b) / angle.sin()));
            first += length;
        }
        close(&after, &expected, backend);
        let whole = MergeRule::Sphere(TaskWeight::Fixed(1.0));
        let after = through(&device, whole, std::slice::from_ref(&end)).remove(0);
        let end: Vec<f64> = end.into_iter().map(f64::from).collect();
        close(&after, &end, backend);
        // Parallel vectors have no arc between them: the line.
        let twice: Vec<f32> = own.iter().map(|value| 2.0 * value).collect();
        let after = through(&device, rule, std::slice::from_ref(&twice)).remove(0);
        let expected: Vec<f64> = own.iter().map(|value| 1.4 * f64::from(*value)).collect();
        close(&after, &expected, backend);
    }
}

#[test]
fn ties_equals_its_formula_over_two_tasks() {
    for (backend, device) in backends() {
        let base = weights(&model(&device));
        let ends = [drawn(base.len(), 11), drawn(base.len(), 12)];
        let after = through(&device, TIES, &ends);
        let mut start = base.clone();
        for (end, after) in ends.iter().zip(&after) {
            let trimmed = |model: &[f32]| -> Vec<f64> {
                let change = model.iter().zip(&base).map(|(a, b)| f64::from(*a - *b));
                let change: Vec<f64> = change.collect();
                let mut sizes: Vec<f64> = change.iter().map(|value| value.abs()).collect();
                sizes.sort_by(|a, b| b.total_cmp(a));
                let least = sizes[(0.3 * sizes.len() as f64).ceil() as usize - 1];
                let kept = change.iter().map(|value| match value.abs() >= least {
                    true => *value,
                    false => 0.0,
                });
                kept.collect()
            };
            let (earlier, later) = (trimmed(&start), trimmed(end));
            let expected: Vec<f64> = (0..base.len())
                .map(|i| {
                    let sign = (earlier[i] + later[i]).signum();
                    let votes = [earlier[i], later[i]].into_iter();
                    let votes: Vec<f64> = votes.filter(|value| value * sign > 0.0).collect();
                    let mean = votes.iter().sum::<f64>() / votes.len().max(1) as f64;
                    f64::from(base[i]) + 0.7 * mean
                })
                .collect();
            close(after, &expected, backend);
            start = after.clone();
        }
    }
}

#[test]
fn a_threshold_drops_noise_of_matrices_and_keeps_other_changes() {
    for (backend, device) in backends() {
        let start = model(&device);
        let (own, lengths) = (weights(&start), lengths(&start));
        let end: Vec<f32> = own.iter().map(|value| value + 0.25).collect();
        let after = through(
            &device,
            MergeRule::HardThreshold,
            std::slice::from_ref(&end),
        )
        .remove(0);
        // A change of the same number everywhere has one singular value, and the median of all is 0 (or
        // the rounding of 0), so that it stays.
        let expected: Vec<f64> = end.iter().copied().map(f64::from).collect();
        close(&after, &expected, backend);
        // A change of noise alone has no singular value above it, in matrices of ten directions or more;
        // vectors change as they did.
        let end: Vec<f32> = own
            .iter()
            .zip(drawn(own.len(), 9))
            .map(|(a, b)| a + b)
            .collect();
        let after = through(
            &device,
            MergeRule::HardThreshold,
            std::slice::from_ref(&end),
        )
        .remove(0);
        let mut first = 0;
        for length in lengths {
            let part = first..first + length;
            let kept = match length {
                16 => &end[part.clone()],
                _ => &own[part.clone()],
            };
            assert_eq!(&after[part], kept, "{backend} {length}");
            first += length;
        }
    }
}

#[test]
fn a_setting_out_of_range_is_named() {
    let cases = [
        (MergeRule::Line(TaskWeight::Fixed(0.0)), "weight = 0"),
        (MergeRule::Sphere(TaskWeight::Fixed(1.5)), "weight = 1.5"),
        (MergeRule::Line(TaskWeight::Fixed(f64::NAN)), "weight = NaN"),
        (
            MergeRule::Ties {
                density: 0.0,
                scale: 1.0,
            },
            "density = 0",
        ),
        (
            MergeRule::Ties {
                density: 0.2,
                scale: f64::INFINITY,
            },
            "scale = inf",
        ),
    ];
    for (rule, text) in cases {
        let error = MergeMethod::<Decoder>::new(rule).unwrap_err();
        assert!(matches!(error, ContinualError::InvalidSetting { .. }));
        assert!(error.to_string().contains(text), "{error}");
    }
}
