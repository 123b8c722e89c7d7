//! A model of a few thousand parameters and two tasks for it.

#![allow(clippy::unwrap_used, dead_code)]

use std::path::Path;
use std::sync::Arc;

use burn::data::dataset::InMemDataset;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};
use continual::method::Vocabulary;
use continual::trainer::{Step, TrainConfig};
use continual::{
    CalibrationData, ContinualError, EvaluationSet, Event, Generation, LabelScores, Method,
    MethodInputs, MethodRegistry, Question, SampleSize, Scorer, Scoring, Sequence, SequenceConfig,
    SequenceOutcome, Task, generated_rows,
};
use lm::{Decoder, Decoding, Example, Pretrained, TextTokenizer};
use osft::{MomentConfig, Shrinkage, TokenLength};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

pub mod adapters;
pub mod labelled;
pub mod stopping;

pub const WORDS: [&str; 12] = [
    "<end>", "a", "b", "c", "d", "e", "up", "down", "v", "w", "x", "y",
];

pub fn backends() -> Vec<(&'static str, Device)> {
    #[allow(deprecated)] // Burn 0.22 announces its removal; it is the reference backend here.
    let ndarray = Device::ndarray();
    vec![("ndarray", ndarray), ("flex", Device::flex())]
}

pub fn tokenizer() -> TextTokenizer {
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
    TextTokenizer::open(&path, vec![0], lm::Framing::Continuation).unwrap()
}

/// A moment of everything that may differ from the plain sum.
pub fn every_moment() -> MomentConfig {
    MomentConfig::default()
        .with_skip_first(1)
        .with_tokens(TokenLength::Mean)
        .with_shrinkage(Shrinkage::LedoitWolf)
}

/// Rows to calibrate OSFT on: rows that the model generates, and a few rows of every task.
pub fn calibration_data(model: &Decoder) -> CalibrationData {
    let generation = Generation {
        size: SampleSize::Rows(10),
        tokens: 6,
        ends: &[0],
        seed: 3,
    };
    CalibrationData {
        base_name: "generated".to_string(),
        base: generated_rows(model, WORDS.len(), generation, &mut |_| {}),
        base_weight: 2.0,
        rows_per_task: 7,
        batch: 4,
        held_out: true,
        sums_on_device: false,
    }
}

/// The same weights every time. The host draws them, because concurrent tests share a device's
/// random stream.
pub fn model(device: &Device) -> Decoder {
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
    let mut draw = Draw(ChaCha8Rng::seed_from_u64(5), device.clone());
    let model = Decoder::from_config(&config, Path::new("config.json"), device).unwrap();
    model.map(&mut draw).unfreeze()
}

pub struct ExactMatch;

impl Scorer for ExactMatch {
    fn score(&self, _prompts: &[&str], answers: &[&str], references: &[&str]) -> f64 {
        let right = answers.iter().zip(references).filter(|(a, b)| a == b);
        100.0 * right.count() as f64 / answers.len() as f64
    }
}

/// A task with prompts such as `up a`; the two tasks differ in their first word only.
pub fn task(name: &str, answers: [&str; 5], tokenizer: &TextTokenizer) -> Task {
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
        validation: None,
        epochs: 8,
    }
}

pub fn tasks(tokenizer: &TextTokenizer) -> Vec<Task> {
    vec![
        task("up", ["v", "w", "v", "w", "x"], tokenizer),
        task("down", ["w", "v", "y", "x", "v"], tokenizer),
    ]
}

pub fn config(train: TrainConfig) -> SequenceConfig {
    SequenceConfig {
        learned_before: 0,
        train: TrainConfig {
            learning_rate: 1e-2,
            global_batch: 8,
            ..train
        },
        scoring: Scoring::Needed,
        label_scores: LabelScores::None,
        evaluation_batch: 3,
        decoding: Decoding::Greedy,
        seed: 1,
    }
}

pub fn run(
    device: &Device,
    method: &mut dyn Method<Decoder>,
    config: &SequenceConfig,
) -> (SequenceOutcome<Decoder>, Vec<Step>) {
    try_run(device, method, config).unwrap()
}

pub fn try_run(
    device: &Device,
    method: &mut dyn Method<Decoder>,
    config: &SequenceConfig,
) -> Result<(SequenceOutcome<Decoder>, Vec<Step>), ContinualError> {
    try_run_on(device, &tasks(&tokenizer()), method, config)
}

/// The same on other tasks.
pub fn try_run_on(
    device: &Device,
    tasks: &[Task],
    method: &mut dyn Method<Decoder>,
    config: &SequenceConfig,
) -> Result<(SequenceOutcome<Decoder>, Vec<Step>), ContinualError> {
    let tokenizer = tokenizer();
    let mut steps = Vec::new();
    let sequence = Sequence {
        tokenizer: &tokenizer,
        tasks,
        general: Some(&tasks[0].evaluation),
        config,
    };
    let start = model(&device.clone().autodiff());
    let outcome = sequence.run(start, method, &mut |event| {
        if let Event::Stepped { step, .. } = event {
            steps.push(step);
        }
    });
    Ok((outcome?, steps))
}

/// A method by its name, with these settings over its defaults and everything that one may need.
pub fn built(name: &str, settings: &str) -> Box<dyn Method<Decoder>> {
    let data = calibration_data(&model(&Device::flex()));
    let inputs = MethodInputs {
        seed: 4,
        calibration: Some(&data),
        vocabulary: Some(Vocabulary {
            size: WORDS.len(),
            embeddings: WORDS.len(),
            ends: &[0],
        }),
        ..MethodInputs::default()
    };
    let registry = MethodRegistry::<Decoder>::builtin();
    let kind = registry.get(name).unwrap();
    kind.build(&toml::from_str(settings).unwrap(), inputs)
        .unwrap()
}

pub fn weights<M: Module>(module: &M) -> Vec<f32> {
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

/// Gives the module other values, in its order.
pub fn with_weights<M: Module>(module: M, values: &[f32]) -> M {
    struct Fill<'a>(&'a [f32]);
    impl ModuleMapper for Fill<'_> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let shape = param.dims();
            let (own, rest) = self.0.split_at(shape.iter().product());
            self.0 = rest;
            let data = TensorData::new(own.to_vec(), shape);
            Param::initialized(param.id, Tensor::from_data(data, &param.device()))
        }
    }
    module.map(&mut Fill(values))
}
