//! Every method with adapters learns with a decoder and with T5, changes its targets alone, and gives the adapter that
//! makes the base model the learned one.

use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsAccumulator;
use burn::tensor::Tensor;
use continual::method::MethodInputs;
use continual::trainer::TrainConfig;
use continual::{Clock, MethodRegistry};
use lm::{Backpropagation, Example, LanguageModel, MixedPrecision, Pretrained, T5, Unmapped};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use crate::common::adapters::{context, draw};
use crate::common::*;

/// Names, and whether what was learned stays apart from the weights.
const METHODS: [(&str, bool); 7] = [
    ("lora", true),
    ("lora-decay", true),
    ("inc-lora", false),
    ("o-lora", false),
    ("milora", true),
    ("pissa", true),
    ("seq-svd", true),
];

/// All parameters with their effective values, by identity.
fn values_of<M: Module>(module: &M) -> Vec<(ParamId, Vec<f32>)> {
    struct All(Vec<(ParamId, Vec<f32>)>);
    impl ModuleVisitor for All {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let values = param.val().into_data().iter::<f32>().collect();
            self.0.push((param.id, values));
        }
    }
    let mut all = All(Vec::new());
    module.visit(&mut all);
    all.0
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, f32::max)
}

/// Steps over one batch; returns the loss of the first and of the last.
fn learn<M: LanguageModel>(
    mut model: M,
    optimizer: &mut burn::optim::ModuleOptimizer,
    rows: &[Example],
    penalty: &dyn Fn(&M, usize) -> Option<Tensor<1>>,
) -> (M, [f64; 2]) {
    let mut losses = Vec::new();
    for step in 1..=50 {
        let mut gradients = GradientsAccumulator::new();
        let how = Backpropagation {
            scale: 0.1,
            map: &Unmapped,
            activation_checkpointing: step % 2 == 0,
            packing: false,
            precision: MixedPrecision::None,
        };
        let loss =
            model.answer_gradients(rows, how, &mut |part| gradients.accumulate(&model, part));
        losses.push(loss);
        if let Some(penalty) = penalty(&model, step) {
            let part = burn::optim::GradientsParams::from_grads(penalty.backward(), &model);
            gradients.accumulate(&model, part);
        }
        model = optimizer.step(1e-2, model, gradients.grads());
    }
    (model, [losses[0], losses[losses.len() - 1]])
}

fn check<M: LanguageModel + 'static>(family: &str, base: &M, rows: &[Vec<Example>; 2]) {
    let registry = MethodRegistry::<M>::builtin();
    for (name, stays_apart) in METHODS {
        let kind = registry.get(name).unwrap();
        assert_eq!(kind.learns_adapter(), stays_apart, "{name}");
        let settings = toml::from_str("adapter_rank = 2\nalpha = 4.0").unwrap();
        let mut method = kind.build(&settings, MethodInputs::default()).unwrap();
        let (tasks, clock) = (tasks(&tokenizer()), Clock::start());
        let optimizer = TrainConfig::default().optimizer();
        let mut model = base.clone();
        for (index, rows) in rows.iter().enumerate() {
            let case = format!("{family} {name} task {index}");
            let at = || context(&tasks, index, &clock, &optimizer);
            let before = values_of(&model);
            let (prepared, mut optimizer) = method.begin_task(model, at()).unwrap();
            let penalty = |model: &M, step| method.penalty(model, step);
            let (learned, [first, last]) = learn(prepared, &mut optimizer, rows, &penalty);
            // Adapters of rank 2 in the queries and values of random models: far from all of the loss.
            assert!(last < 0.99 * first, "{case}: {first} to {last}");
            model = method.end_task(learned, at()).unwrap().0;
            let after = values_of(&model);
            let changed = before
                .iter()
                .zip(&after)
                .filter(|(before, after)| before != after);
            let targets: toml::Table = kind.settings(&settings).unwrap();
            let targets: osft::Targets = targets["targets"].clone().try_into().unwrap();
            let targets = targets.selected(base).unwrap();
            assert_eq!(changed.clone().count(), targets.len(), "{case}");
            assert!(
                changed
                    .clone()
                    .all(|((id, _), _)| targets.iter().any(|target| target.id == *id)),
                "{case}: what is no target has changed"
            );
        }
        match method.adapter() {
            None => assert!(!stays_apart, "{family} {name}"),
            Some(adapter) => {
                assert!(stays_apart, "{family} {name}");
                let merged = values_of(&adapter.merged(base.clone()));
                for ((_, merged), (_, learned)) in merged.iter().zip(&values_of(&model)) {
                    let difference = largest_difference(merged, learned);
                    // Weights below 2, rounded to 2^-24 of that when a product is added and when it is subtracted, in
                    // both tasks; the products have at most four terms, whose roundings are smaller.
                    assert!(difference < 2e-6, "{family} {name}: {difference:e}");
                }
            }
        }
    }
}

fn examples(vocabulary: u32, seed: u64) -> Vec<Example> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut row = |length| {
        (0..length)
            .map(|_| random.random_range(2..vocabulary))
            .collect()
    };
    [(5, 4), (1, 6), (7, 2)]
        .map(|(prompt, answer)| Example::new(row(prompt), row(answer)))
        .to_vec()
}

#[test]
fn methods_with_adapters_learn_with_a_decoder() {
    for (backend, device) in backends() {
        let base = model(&device.autodiff());
        let vocabulary = WORDS.len() as u32;
        let rows = [examples(vocabulary, 1), examples(vocabulary, 2)];
        check(&format!("decoder on {backend}"), &base, &rows);
    }
}

#[test]
fn methods_with_adapters_learn_with_t5() {
    let config = json!({
        "model_type": "t5", "vocab_size": 30, "d_model": 16, "d_kv": 6, "d_ff": 20, "num_layers": 2,
        "num_decoder_layers": 2, "num_heads": 2, "relative_attention_num_buckets": 8,
        "relative_attention_max_distance": 10, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": false,
        "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0, "torch_dtype": "float32"
    });
    for (backend, device) in backends() {
        let base = T5::from_config(&config, Path::new("config.json"), &device.autodiff()).unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let values = draw(base.num_params(), &mut random);
        let values: Vec<f32> = values.into_iter().map(|value| 0.4 * value).collect();
        let base = with_weights(base, &values).unfreeze();
        let rows = [examples(30, 1), examples(30, 2)];
        check(&format!("T5 on {backend}"), &base, &rows);
    }
}
