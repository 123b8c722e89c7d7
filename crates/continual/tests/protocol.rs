//! The protocol on a model of a few thousand parameters.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use burn::data::dataset::InMemDataset;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};
use continual::methods::{OsftMethod, SeqFt};
use continual::trainer::{Schedule, Step, TrainConfig};
use continual::{
    CalibrationData, ContinualError, EvaluationSet, Event, Method, Question, Scorer, Scoring,
    SequenceConfig, SequenceOutcome, Task, generated_rows, run_sequence,
};
use lm::{Example, Llama, LlamaConfig, TextTokenizer};
use osft::{Calibration, Form, OsftConfig, ShareRule, SplitSource};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

const WORDS: [&str; 12] = [
    "<end>", "a", "b", "c", "d", "e", "up", "down", "v", "w", "x", "y",
];

fn backends() -> Vec<(&'static str, Device)> {
    #[allow(deprecated)] // Burn 0.22 announces its removal; it is the reference backend here.
    let ndarray = Device::ndarray();
    vec![("ndarray", ndarray), ("flex", Device::flex())]
}

fn tokenizer() -> TextTokenizer {
    let vocabulary: serde_json::Map<_, _> = (0..WORDS.len())
        .map(|id| (WORDS[id].to_string(), json!(id)))
        .collect();
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "added_tokens": [{"id": 0, "content": "<end>", "special": true, "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": false}],
        "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<end>"}
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, file.to_string()).unwrap();
    TextTokenizer::open(&path, vec![0]).unwrap()
}

/// The same weights every time: drawn on the host, since the random stream of a device is shared
/// with the tests that run beside this one.
fn model(device: &Device) -> Llama {
    struct Draw(ChaCha8Rng, Device);
    impl ModuleMapper for Draw {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let shape = param.dims();
            let centre = if D == 1 { 1.0 } else { 0.0 };
            let draws = (0..shape.iter().product()).map(|_| self.0.random::<f32>() - 0.5);
            let values: Vec<f32> = draws.map(|draw| centre + 0.5 * draw).collect();
            let values = Tensor::from_data(TensorData::new(values, shape), &self.1);
            Param::initialized(param.id, values)
        }
    }
    let config = json!({
        "model_type": "llama", "vocab_size": WORDS.len(), "hidden_size": 16,
        "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2,
        "tie_word_embeddings": true
    });
    let config = LlamaConfig::from_json(&config, Path::new("config.json")).unwrap();
    let mut draw = Draw(ChaCha8Rng::seed_from_u64(5), device.clone());
    Llama::new(&config, device).map(&mut draw).unfreeze()
}

struct ExactMatch;

impl Scorer for ExactMatch {
    fn score(&self, _prompts: &[&str], answers: &[&str], references: &[&str]) -> f64 {
        let right = answers.iter().zip(references).filter(|(a, b)| a == b);
        100.0 * right.count() as f64 / answers.len() as f64
    }
}

/// `up a` is `v`, `down a` is `w`, …: the two tasks differ in their first word alone.
fn task(name: &str, answers: [&str; 5], tokenizer: &TextTokenizer) -> Task {
    let rows: Vec<(String, &str)> = WORDS[1..6]
        .iter()
        .zip(answers)
        .map(|(letter, answer)| (format!("{name} {letter}"), answer))
        .collect();
    let example = |(prompt, answer): &(String, &str)| tokenizer.example(prompt, answer, 8).unwrap();
    let examples: Vec<Example> = rows.iter().cycle().take(40).map(example).collect();
    let questions = rows.iter().map(|(prompt, answer)| Question {
        prompt: prompt.clone(),
        tokens: tokenizer.prompt(prompt, 8, 2).unwrap(),
        reference: answer.to_string(),
    });
    Task {
        name: name.to_string(),
        train: Arc::new(InMemDataset::new(examples)),
        evaluation: EvaluationSet {
            questions: questions.collect(),
            scorer: Arc::new(ExactMatch),
            max_new_tokens: 2,
        },
        epochs: 8,
    }
}

fn tasks(tokenizer: &TextTokenizer) -> Vec<Task> {
    vec![
        task("up", ["v", "w", "v", "w", "x"], tokenizer),
        task("down", ["w", "v", "y", "x", "v"], tokenizer),
    ]
}

fn config(train: TrainConfig) -> SequenceConfig {
    SequenceConfig {
        train: TrainConfig {
            learning_rate: 1e-2,
            global_batch: 8,
            ..train
        },
        scoring: Scoring::Needed,
        evaluation_batch: 3,
        seed: 1,
    }
}

fn run(
    device: &Device,
    method: &mut dyn Method<Llama>,
    config: &SequenceConfig,
) -> (SequenceOutcome<Llama>, Vec<Step>) {
    let tokenizer = tokenizer();
    let mut steps = Vec::new();
    let outcome = run_sequence(
        model(&device.clone().autodiff()),
        &tokenizer,
        &tasks(&tokenizer),
        Some(&tasks(&tokenizer)[0].evaluation),
        method,
        config,
        &mut |event| {
            if let Event::Stepped { step, .. } = event {
                steps.push(step);
            }
        },
    );
    (outcome.unwrap(), steps)
}

fn weights<M: Module>(module: &M) -> Vec<f32> {
    struct All(Vec<f32>);
    impl ModuleVisitor for All {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.extend(param.val().into_data().iter::<f32>());
        }
    }
    let mut all = All(Vec::new());
    module.visit(&mut all);
    all.0
}

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
fn osft_moves_only_its_targets_and_reports_its_leak() {
    for (backend, device) in backends() {
        let osft = |share: f64| {
            let config = OsftConfig::new()
                .with_targets(["_proj\\.weight$"])
                .with_protected_share(share);
            OsftMethod::new(config)
        };
        let settings = config(TrainConfig::default());
        let (frozen, _) = run(&device, &mut osft(1.0), &settings);
        assert_eq!(
            weights(&frozen.model),
            weights(&model(&device)),
            "{backend}"
        );
        let (half, _) = run(&device, &mut osft(0.5), &settings);
        assert_eq!(half.diagnostics.len(), 2);
        for task in &half.diagnostics {
            let leak = task.leaks.as_ref().unwrap().worst();
            assert!(leak.relative_change > 1e-2, "{backend}: {leak:?}");
            assert!(
                leak.leak_in < 1e-5 && leak.leak_out < 1e-5,
                "{backend}: {leak:?}"
            );
            assert!(task.trainable_parameters < half.model.num_params());
        }
    }
}

#[test]
fn osft_that_sees_the_inputs_measures_every_task_and_keeps_its_bounds() {
    for (backend, device) in backends() {
        for form in [Form::Core, Form::Weight, Form::FactoredReprojected] {
            let start = model(&device);
            let base = generated_rows(&start, WORDS.len(), 10, 6, 3, &mut |_| {});
            assert_eq!(base.len(), 10);
            assert!(base.iter().all(|row| row.prompt.len() == 6));
            let config_of = OsftConfig::new()
                .with_targets(["_proj\\.weight$"])
                .with_split(SplitSource::Inputs)
                .with_share_rule(ShareRule::Energy(0.8))
                .with_form(form);
            let mut method = OsftMethod::new(config_of).with_calibration(CalibrationData {
                base_name: "generated".to_string(),
                base,
                rows_per_task: 7,
                batch: 4,
            });
            let (outcome, _) = run(&device, &mut method, &config(TrainConfig::default()));
            let case = format!("{backend} {form:?}");
            for task in &outcome.diagnostics {
                let leaks = task.leaks.as_ref().unwrap();
                assert!(leaks.worst().leak_in < 1e-5, "{case}: {:?}", leaks.worst());
                let moved = leaks.layers.iter().map(|layer| layer.outputs.unwrap());
                let since = task
                    .since_base
                    .as_ref()
                    .unwrap()
                    .iter()
                    .map(|layer| layer.outputs);
                for change in moved.chain(since) {
                    assert!(change.measured > 0.0, "{case}: nothing moved");
                    assert!(change.measured <= change.bound, "{case}: {change:?}");
                }
                assert_eq!(task.split.len(), 7);
            }
            // Factors are merged and the base model's parameters are the only ones left.
            assert_eq!(outcome.model.num_params(), start.num_params());

            let files = Method::<Llama>::state_files(&method).unwrap();
            let [(name, bytes)] = &files[..] else {
                panic!("{case}: {} files", files.len());
            };
            assert_eq!(name, "calibration.safetensors");
            let known = Calibration::from_bytes(bytes).unwrap();
            let names: Vec<&str> = known.sources().iter().map(|s| s.name.as_str()).collect();
            assert_eq!(names, ["generated", "up", "down"]);
            // Ten rows of six tokens, then seven rows of a two-word prompt, an answer and the end.
            let tokens: Vec<usize> = known.sources().iter().map(|s| s.tokens).collect();
            assert_eq!(tokens, [60, 28, 28]);
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
