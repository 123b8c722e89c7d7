//! Learning without forgetting: the divergence from the model at the start of the task, on its rows and on generated ones.

use crate::common;
use crate::models;
use std::sync::Arc;

use burn::data::dataset::{Dataset, InMemDataset};
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Device;
use continual::method::Vocabulary;
use continual::methods::{Lwf, LwfConfig, LwfGenerated, LwfGeneratedConfig, SeqFt};
use continual::trainer::TrainConfig;
use continual::{Clock, ContinualError, Method, MethodInputs, MethodRegistry, Task, TaskContext};
use lm::{Decoder, Example, LanguageModel};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use toml::Table;

use crate::common::{
    WORDS, backends, config, run, tasks, tokenizer, try_run_on, weights, with_weights,
};

/// Runs `then` with the context of a task.
fn at<T>(tasks: &[Task], index: usize, then: impl FnOnce(TaskContext<'_>) -> T) -> T {
    then(TaskContext {
        index,
        count: tasks.len(),
        first: 0,
        task: &tasks[index],
        clock: &Clock::start(),
        optimizer: &TrainConfig::default().optimizer(),
    })
}

fn moved<M: Module>(model: M, random: &mut ChaCha8Rng) -> M {
    let values = weights(&model).into_iter();
    let values: Vec<f32> = values
        .map(|value| value + random.random_range(-0.2..0.2))
        .collect();
    with_weights(model, &values).set_require_grad(true)
}

/// `T² Σ KL` over the answer tokens in f64, from the definition of softmax.
fn divergence_by_hand<M: LanguageModel>(
    old: &M,
    new: &M,
    rows: &[Example],
    temperature: f64,
) -> f64 {
    let softened = |model: &M| -> (usize, Vec<f64>) {
        let logarithms = model.answer_log_probabilities(rows);
        let width = logarithms.dims()[1];
        let values: Vec<f64> = logarithms.into_data().iter().collect();
        let soften = |row: &[f64]| {
            let powers: Vec<f64> = row.iter().map(|x| (x / temperature).exp()).collect();
            let sum: f64 = powers.iter().sum();
            powers.into_iter().map(move |power| power / sum)
        };
        (width, values.chunks(width).flat_map(soften).collect())
    };
    let ((_, old), (_, new)) = (softened(old), softened(new));
    let terms = old
        .iter()
        .zip(&new)
        .map(|(old, new)| old * (old / new).ln());
    temperature * temperature * terms.sum::<f64>()
}

fn largest_gradient<M: Module>(model: &M, grads: &GradientsParams) -> f64 {
    continual::trainer::global_norm(model, grads)
}

/// The divergence is that of the formula, for models of any family.
fn check_divergence<M: LanguageModel>(start: &M, rows: &[Example], case: &str) {
    let tasks = tasks(&tokenizer());
    let mut random = ChaCha8Rng::seed_from_u64(11);
    for temperature in [0.5, 1.0, 2.0, 5.0] {
        let strength = random.random_range(0.1..3.0);
        let settings = LwfConfig {
            strength,
            temperature,
            retain_base: true,
        };
        let mut method = Lwf::new(settings).unwrap();
        let (model, _) = at(&tasks, 0, |at| method.begin_task(start.clone(), at)).unwrap();
        let tokens: usize = rows.iter().map(|row| model.target_count(row)).sum();
        // A term of an answer token is a sum over the vocabulary of differences of logarithms, each rounded to half
        // a unit of numbers up to about 16.
        let bound = strength * temperature * temperature * tokens as f64 * 1e-5;
        let same = method.row_penalty(&model, rows).unwrap();
        let value = f64::from(same.clone().into_scalar::<f32>());
        assert!(
            value.abs() < bound,
            "{case}: {value}, but the models are equal"
        );
        let at_start = GradientsParams::from_grads(same.backward(), &model);

        let model = moved(model, &mut random);
        let found = method.row_penalty(&model, rows).unwrap();
        let value = f64::from(found.clone().into_scalar::<f32>());
        let expected = strength * divergence_by_hand(start, &model, rows, temperature);
        assert!(
            (value - expected).abs() < bound,
            "{case}: {value} {expected}"
        );
        assert!(expected > 100.0 * bound, "{case}: {expected}");
        let moved = GradientsParams::from_grads(found.backward(), &model);
        let [before, after] = [&at_start, &moved].map(|grads| largest_gradient(&model, grads));
        // In the minimum, what is left of the gradient is rounding.
        assert!(before < 1e-4 * after, "{case}: {before} {after}");
    }
}

#[test]
fn the_term_is_the_divergence_from_the_start_of_the_task() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        let decoder = common::model(&device);
        let rows: Vec<Example> = tasks(&tokenizer())[1]
            .train
            .iter()
            .take(5)
            .map(Result::unwrap)
            .collect();
        check_divergence(&decoder, &rows, &format!("{backend} decoder"));
        for (version, config) in models::t5::both() {
            let model = models::t5::model(&config, &device);
            check_divergence(
                &model,
                &models::t5::examples(),
                &format!("{backend} T5 {version}"),
            );
        }
    }
}

#[test]
fn the_base_models_answers_are_kept_if_asked_for() {
    let (tasks, device) = (tasks(&tokenizer()), Device::flex().autodiff());
    let rows = [tasks[0].train.get(0).unwrap()];
    for (retain_base, index, expected) in [(true, 0, true), (false, 0, false), (false, 1, true)] {
        let settings = LwfConfig {
            retain_base,
            ..LwfConfig::default()
        };
        let mut method = Lwf::new(settings).unwrap();
        let begun = at(&tasks, index, |at| {
            method.begin_task(common::model(&device), at)
        });
        let (model, _) = begun.unwrap();
        let found = method.row_penalty(&model, &rows).is_some();
        assert_eq!(found, expected, "{retain_base} {index}");
        let (model, _) = at(&tasks, index, |at| method.end_task(model, at)).unwrap();
        assert!(method.row_penalty(&model, &rows).is_none());
    }
}

/// As the loss is: with each row four times, a step is the same.
#[test]
fn the_term_of_a_step_is_a_mean_over_its_answer_tokens() {
    let tokenizer = tokenizer();
    let settings = config(TrainConfig::default());
    for (backend, device) in backends() {
        let after = |copies: usize, strength: f64| {
            let mut task = tasks(&tokenizer).remove(1);
            let row = task.train.get(0).unwrap();
            task.train = Arc::new(InMemDataset::new(vec![row; copies]));
            let lwf = LwfConfig {
                strength,
                ..LwfConfig::default()
            };
            let mut method = Lwf::new(lwf).unwrap();
            let found = try_run_on(&device, &[task], &mut method, &settings);
            weights(&found.unwrap().0.model)
        };
        let distance = |a: &[f32], b: &[f32]| -> f32 {
            let squares = a.iter().zip(b).map(|(a, b)| (a - b).powi(2));
            squares.sum::<f32>().sqrt()
        };
        let once = after(1, 2.0);
        let [same, stronger] = [after(4, 2.0), after(4, 8.0)].map(|other| distance(&once, &other));
        // Eight steps of AdamW, which divides gradients near 0 by their own size, so that their rounding counts.
        assert!(same < 0.1 * stronger, "{backend}: {same} {stronger}");
        assert!(stronger > 1e-2, "{backend}: {stronger}");
    }
}

fn generated(strength: f64, rows_per_step: usize, seed: u64) -> LwfGenerated<Decoder> {
    let settings = LwfGeneratedConfig {
        strength,
        rows: 7,
        tokens: 6,
        rows_per_step,
        ..LwfGeneratedConfig::default()
    };
    let vocabulary = Vocabulary {
        size: WORDS.len(),
        embeddings: WORDS.len(),
        ends: &[0],
    };
    LwfGenerated::new(settings, Some(vocabulary), seed).unwrap()
}

#[test]
fn the_start_of_a_task_generates_rows_and_a_step_takes_the_next_ones() {
    let tasks = tasks(&tokenizer());
    let mut random = ChaCha8Rng::seed_from_u64(2);
    for (backend, device) in backends() {
        let start = common::model(&device.autodiff());
        let begun = |start: &Decoder, index: usize, seed: u64| {
            let mut method = generated(0.7, 3, seed);
            let model = at(&tasks, index, |at| method.begin_task(start.clone(), at));
            (model.unwrap().0, method)
        };
        let (model, method) = begun(&start, 0, 4);
        let rows = method.generated().to_vec();
        assert_eq!(rows.len(), 7, "{backend}");
        assert_eq!(
            rows,
            begun(&start, 0, 4).1.generated(),
            "{backend}: same seed"
        );
        let others = [
            begun(&start, 1, 4),
            begun(&start, 0, 5),
            begun(&moved(start.clone(), &mut random), 0, 4),
        ];
        for (_, other) in &others {
            assert_ne!(rows, other.generated(), "{backend}: task, seed or model");
        }
        let model = moved(model, &mut random);
        for step in 1..=5 {
            let places = (0..3).map(|row| ((step - 1) * 3 + row) % 7);
            let taken: Vec<Example> = places.map(|row| rows[row].clone()).collect();
            let tokens: usize = taken.iter().map(|row| model.target_count(row)).sum();
            let expected = 0.7 * divergence_by_hand(&start, &model, &taken, 2.0) / tokens as f64;
            let found = method.penalty(&model, step).unwrap();
            let found = f64::from(found.into_scalar::<f32>());
            // As above, with a mean over tokens, `T² = 4` and a factor of 0.7.
            assert!(
                (found - expected).abs() < 3e-5,
                "{backend} {step}: {found} {expected}"
            );
            assert!(expected > 3e-3, "{backend} {step}: {expected}");
        }
    }
}

#[test]
fn a_missing_vocabulary_is_named() {
    let registry = MethodRegistry::<Decoder>::builtin();
    let kind = registry.get("lwf-generated").unwrap();
    let mut method = kind.build(&Table::new(), MethodInputs::default()).unwrap();
    let (tasks, device) = (tasks(&tokenizer()), Device::flex().autodiff());
    let begun = at(&tasks, 0, |at| {
        method.begin_task(common::model(&device), at)
    });
    let error = begun.map(|_| ()).unwrap_err();
    assert!(
        matches!(error, ContinualError::MissingInput { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("vocabulary"), "{error}");
    for (settings, name) in [
        ("rows = 0", "rows"),
        ("tokens = 1", "tokens"),
        ("rows_per_step = 0", "rows_per_step"),
        ("temperature = 0", "temperature"),
    ] {
        let error = kind
            .settings(&toml::from_str(settings).unwrap())
            .unwrap_err();
        assert!(
            error.to_string().starts_with(&format!("{name} = ")),
            "{error}"
        );
    }
}

#[test]
fn no_strength_is_sequential_fine_tuning_bit_for_bit() {
    for (backend, device) in backends() {
        let settings = config(TrainConfig::default());
        let (expected, expected_steps) = run(&device, &mut SeqFt, &settings);
        let lwf = LwfConfig {
            strength: 0.0,
            ..LwfConfig::default()
        };
        let methods: [(&str, Box<dyn Method<Decoder>>); 2] = [
            ("lwf", Box::new(Lwf::new(lwf).unwrap())),
            ("lwf-generated", Box::new(generated(0.0, 3, 1))),
        ];
        for (name, mut method) in methods {
            let (found, steps) = run(&device, method.as_mut(), &settings);
            assert_eq!(steps, expected_steps, "{backend} {name}");
            let [found, expected] = [&found, &expected].map(|outcome| weights(&outcome.model));
            assert_eq!(found, expected, "{backend} {name}");
        }
    }
}
