//! The protocol on a model of a few thousand parameters.

use std::sync::Arc;

use burn::data::dataset::InMemDataset;
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor};
use continual::methods::{MultiTaskFt, PerTaskFt, SeqFt};
use continual::trainer::{Schedule, TrainConfig, ValidationConfig};
use continual::{
    Clock, ContinualError, Event, Method, Protocol, Sequence, SequenceConfig, Task, TaskContext,
};
use lm::LanguageModel;

use crate::common::*;

#[test]
fn a_sequence_learns_its_tasks_and_measures_the_configured_scores() {
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
            let parts = losses(micro_batch);
            // The results differ at least by rounding, which shows that the batch was cut.
            assert_ne!(parts, whole, "{backend} {micro_batch}");
            for (a, b) in parts.iter().zip(&whole) {
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
    // A warm-up of one step is the first step of the schedule: none of the others is lost.
    let one = rates(Schedule::Linear, 0.025);
    assert_eq!(one, linear);
    assert!(one[39] > 0.0);
    let cosine = rates(Schedule::Cosine, 0.1);
    close(cosine[4], 0.01);
    close(cosine[4 + 18], 0.005);
    assert!(cosine[39] < 1e-4 && cosine[4..].windows(2).all(|pair| pair[1] < pair[0]));
}

#[test]
fn tasks_without_rows_and_invalid_settings_are_errors() {
    let tokenizer = tokenizer();
    let device = Device::flex().autodiff();
    let attempt = |tasks: &[Task], config: &SequenceConfig| {
        let sequence = Sequence {
            tokenizer: &tokenizer,
            tasks,
            general: None,
            config,
        };
        let outcome = sequence.run(model(&device), &mut SeqFt, &mut |_| {});
        outcome.map(|_| ()).unwrap_err()
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
fn divergence_ends_training_before_the_weights_change() {
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
    let tasks = tasks(&tokenizer);
    let sequence = Sequence {
        tokenizer: &tokenizer,
        tasks: &tasks,
        general: None,
        config: &config(TrainConfig::default()),
    };
    let error = sequence.run(broken, &mut SeqFt, &mut |_| {}).map(|_| ());
    match error.unwrap_err() {
        ContinualError::Diverged { step: 1, task, .. } => assert_eq!(task, "up"),
        other => panic!("{other}"),
    }
}

#[test]
fn independent_models_are_scored_on_their_own_task_only() {
    let (_, device) = backends().remove(1);
    let (apart, steps) = run(
        &device,
        &mut PerTaskFt::new(),
        &config(TrainConfig::default()),
    );
    assert_eq!(apart.protocol, Protocol::Independent);
    let matrix = &apart.matrix;
    assert_eq!(matrix.row(1), [Some(100.0), None]);
    assert_eq!(matrix.row(2), [Some(100.0), Some(100.0)]);
    assert_eq!(apart.general, None);
    assert_eq!(steps.len(), 2 * 8 * 5);
    // Whatever the previous task left, the next task starts from the base model.
    let tasks = tasks(&tokenizer());
    let mut method = PerTaskFt::new();
    let start = model(&device.clone().autodiff());
    let trained = with_weights(start.clone(), &weights(&apart.model));
    for (index, given) in [start.clone(), trained].into_iter().enumerate() {
        let context = TaskContext {
            index,
            count: 2,
            first: 0,
            task: &tasks[index],
            clock: &Clock::start(),
            optimizer: &TrainConfig::default().optimizer(),
        };
        let (prepared, _) = method.begin_task(given, context).unwrap();
        assert_eq!(weights(&prepared), weights(&start));
    }
}

#[test]
fn joint_learning_takes_as_many_steps_and_scores_at_the_end() {
    let (_, device) = backends().remove(1);
    let (joint, steps) = run(&device, &mut MultiTaskFt, &config(TrainConfig::default()));
    assert_eq!(joint.protocol, Protocol::Joint);
    assert_eq!(steps.len(), 2 * 8 * 5);
    assert_eq!(steps[79].steps, 80);
    assert!(joint.matrix.row(0).iter().all(Option::is_some));
    assert_eq!(joint.matrix.row(1), [None, None]);
    assert_eq!(joint.matrix.row(2), [Some(100.0), Some(100.0)]);
    assert_eq!(joint.general.unwrap().1, 100.0);
    assert_eq!(joint.diagnostics.len(), 1);
}

#[test]
fn early_stopping_ends_a_task_with_its_best_weights() {
    let (_, device) = backends().remove(1);
    let tokenizer = tokenizer();
    let run = |validation: ValidationConfig, answers: [&str; 5]| {
        let mut tasks = tasks(&tokenizer);
        tasks.truncate(1);
        tasks[0].validation = Some(task("up", answers, &tokenizer).train);
        let settings = config(TrainConfig {
            validation,
            ..TrainConfig::default()
        });
        let sequence = Sequence {
            tokenizer: &tokenizer,
            tasks: &tasks,
            general: None,
            config: &settings,
        };
        let (mut steps, mut losses) = (0, Vec::new());
        let start = model(&device.clone().autodiff());
        let mut on_event = |event: Event<'_>| match event {
            Event::Stepped { .. } => steps += 1,
            Event::Validated {
                loss, steps_done, ..
            } => losses.push((steps_done, loss)),
            _ => {}
        };
        let outcome = sequence.run(start, &mut SeqFt, &mut on_event).unwrap();
        (steps, losses, weights(&outcome.model))
    };
    let right = ["v", "w", "v", "w", "x"];
    let wrong = ["y", "y", "y", "y", "y"];
    let watched = ValidationConfig {
        every_epochs: 2,
        ..ValidationConfig::default()
    };
    let (steps, losses, last) = run(watched, right);
    assert_eq!(steps, 40);
    let at: Vec<usize> = losses.iter().map(|(at, _)| *at).collect();
    assert_eq!(at, [10, 20, 30, 40]);
    assert!(losses[3].1 < 0.2 * losses[0].1, "{losses:?}");

    // Validation rows that contradict the training rows: their loss rises from the first
    // measurement on, or soon after.
    let every = ValidationConfig {
        every_epochs: 1,
        patience: 2,
        keep_best: false,
    };
    let (steps, losses, _) = run(every, wrong);
    let best = losses
        .iter()
        .map(|(_, loss)| *loss)
        .fold(f64::MAX, f64::min);
    assert!(steps < 40, "{losses:?}");
    let lowest = losses.iter().position(|(_, loss)| *loss == best).unwrap();
    assert_eq!(losses.len(), lowest + 3, "two more measurements");
    let keeping = ValidationConfig {
        keep_best: true,
        ..every
    };
    // The last epoch is measured too, whatever its number.
    let rarely = ValidationConfig {
        every_epochs: 7,
        patience: 0,
        keep_best: false,
    };
    let (_, measured, _) = run(rarely, right);
    let at: Vec<usize> = measured.iter().map(|(at, _)| *at).collect();
    assert_eq!(at.last(), Some(&40), "{at:?}");
    let (_, again, kept) = run(keeping, wrong);
    assert_eq!(losses, again);
    assert_ne!(kept, last);
    // The best weights equal those of a shorter run only under the same schedule, so measure their
    // validation loss instead: it is the lowest.
    let mut held = model(&device);
    held = with_weights(held, &kept);
    let rows = task("up", wrong, &tokenizer).train;
    let rows: Vec<_> = (0..rows.len()).map(|row| rows.get(row).unwrap()).collect();
    let (sum, count) = held.answer_loss(&rows);
    let found = f64::from(sum.into_scalar::<f32>()) / count as f64;
    assert!((found - best).abs() < 1e-5, "{found} {best}");
}
