//! The protocol on a model of a few thousand parameters.

#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use burn::data::dataset::InMemDataset;
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor};
use continual::methods::SeqFt;
use continual::trainer::{Schedule, TrainConfig};
use continual::{ContinualError, SequenceConfig, Task, run_sequence};

use common::*;

#[test]
fn a_sequence_is_learned_and_scored_as_asked() {
    for (backend, device) in backends() {
        let (outcome, steps) = run(&device, &mut SeqFt, &config(TrainConfig::default()));
        assert_eq!(steps.len(), 2 * 8 * 5, "{backend}");
        assert_eq!(
            outcome.matrix.get(1, 0),
            Some(100.0),
            "{backend}: the first task is learned"
        );
        assert_eq!(
            outcome.matrix.get(2, 1),
            Some(100.0),
            "{backend}: the second task is learned"
        );
        let measured = |i: usize| outcome.matrix.row(i).iter().filter(|s| s.is_some()).count();
        assert_eq!([measured(0), measured(1), measured(2)], [2, 2, 2]);
        let (_, after) = outcome.general.unwrap();
        assert_eq!(
            Some(after),
            outcome.matrix.get(2, 0),
            "the same rows, the same score"
        );
        assert!(
            steps
                .iter()
                .all(|step| step.loss.is_finite() && step.tokens > 0)
        );
    }
}

#[test]
fn a_seed_repeats_a_run_bit_for_bit() {
    for (backend, device) in backends() {
        let again = |seed: u64| {
            let mut config = config(TrainConfig::default());
            config.seed = seed;
            let (outcome, steps) = run(&device, &mut SeqFt, &config);
            (weights(&outcome.model), steps, outcome.matrix)
        };
        assert_eq!(again(1), again(1), "{backend}");
        assert_ne!(again(1).1, again(2).1, "{backend}");
    }
}

#[test]
fn the_size_of_a_micro_batch_changes_nothing_beyond_rounding() {
    for (backend, device) in backends() {
        let losses = |micro_batch: usize| -> Vec<f64> {
            let train = TrainConfig {
                micro_batch,
                ..TrainConfig::default()
            };
            let (_, steps) = run(&device, &mut SeqFt, &config(train));
            steps[..10].iter().map(|step| step.loss).collect()
        };
        let whole = losses(8);
        for micro_batch in [1, 3] {
            for (a, b) in losses(micro_batch).iter().zip(&whole) {
                // Ten AdamW steps on sums in another order, in f32.
                assert!((a - b).abs() < 1e-3, "{backend} {micro_batch}: {a} {b}");
            }
        }
    }
}

#[test]
fn the_learning_rate_warms_up_and_falls() {
    let (_, device) = backends().remove(1);
    let rates = |schedule: Schedule, warmup_share: f64| -> Vec<f64> {
        let train = TrainConfig {
            schedule,
            warmup_share,
            ..TrainConfig::default()
        };
        let (_, steps) = run(&device, &mut SeqFt, &config(train));
        steps[..40].iter().map(|step| step.learning_rate).collect()
    };
    let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-9, "{found}");
    let constant = rates(Schedule::Constant, 0.1);
    for (step, expected) in [(0, 0.0025), (1, 0.005), (3, 0.01), (4, 0.01), (39, 0.01)] {
        close(constant[step], expected);
    }
    let linear = rates(Schedule::Linear, 0.0);
    close(linear[0], 0.01);
    close(linear[20], 0.005);
    let cosine = rates(Schedule::Cosine, 0.1);
    close(cosine[4], 0.01);
    close(cosine[4 + 18], 0.005);
    assert!(cosine[39] < 1e-4 && cosine[4..].windows(2).all(|pair| pair[1] < pair[0]));
}

#[test]
fn tasks_without_rows_and_bad_settings_are_errors() {
    let tokenizer = tokenizer();
    let device = Device::flex().autodiff();
    let attempt = |tasks: &[Task], config: &SequenceConfig| {
        let mut method = SeqFt;
        run_sequence(
            model(&device),
            &tokenizer,
            tasks,
            None,
            &mut method,
            config,
            &mut |_| {},
        )
        .map(|_| ())
        .unwrap_err()
    };
    let mut empty = tasks(&tokenizer);
    empty[1].train = Arc::new(InMemDataset::new(vec![]));
    let error = attempt(&empty, &config(TrainConfig::default()));
    assert!(matches!(error, ContinualError::NoRows { ref task, .. } if task == "down"));
    let mut settings = config(TrainConfig::default());
    settings.train.beta_1 = 1.0;
    let error = attempt(&tasks(&tokenizer), &settings).to_string();
    assert!(error.contains("beta_1"), "{error}");
}

#[test]
fn divergence_stops_before_the_weights_are_touched() {
    let tokenizer = tokenizer();
    let device = Device::flex().autodiff();
    let mut broken = model(&device);
    struct Spoil;
    impl ModuleMapper for Spoil {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|tensor| {
                let spoiled = tensor.inner() * f64::NAN;
                Tensor::from_inner(spoiled).require_grad()
            })
        }
    }
    broken = broken.map(&mut Spoil);
    let mut method = SeqFt;
    let error = run_sequence(
        broken,
        &tokenizer,
        &tasks(&tokenizer),
        None,
        &mut method,
        &config(TrainConfig::default()),
        &mut |_| {},
    )
    .map(|_| ())
    .unwrap_err();
    assert!(
        matches!(error, ContinualError::Diverged { step: 1, .. }),
        "{error}"
    );
}
