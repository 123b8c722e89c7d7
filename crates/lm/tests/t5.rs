//! T5 without reference numbers: padding, caches, observers, folders.

use std::collections::BTreeMap;
use std::path::Path;

use crate::common::t5::{VOCABULARY, both, config, examples, model};
use crate::common::{backends, values};
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Device, Tensor};
use lm::{
    Example, ExportPrecision, GenerationOptions, HfFolder, LanguageModel, LmError, Model, Observer,
    Pretrained, T5, T5Config,
};
use serde_json::{Value, json};

#[test]
fn the_loss_of_a_batch_is_the_sum_of_its_rows_losses() {
    for (backend, device) in backends() {
        for (version, config) in both() {
            let model = model(&config, &device);
            let examples = examples();
            let loss = |examples: &[Example]| {
                let (loss, count) = model.answer_loss(examples);
                (f64::from(loss.into_scalar::<f32>()), count)
            };
            let (together, count) = loss(&examples);
            assert_eq!(count, 15);
            let targets = examples.iter().map(|example| model.target_count(example));
            assert_eq!(targets.sum::<usize>(), 15);
            let alone: f64 = examples.chunks(1).map(|one| loss(one).0).sum();
            // Rounding of f32 sums of some hundred terms.
            assert!(
                (together - alone).abs() < 1e-4,
                "{backend} {version}: {together} {alone}"
            );
            // An empty prompt is read as the end token.
            let mut ended = examples.clone();
            ended[3].prompt = vec![1];
            assert_eq!(loss(&ended), (together, count));
        }
    }
}

#[test]
fn answers_do_not_depend_on_the_cache_or_other_rows() {
    for (backend, device) in backends() {
        for (version, config) in both() {
            let model = model(&config, &device);
            let prompts: Vec<Vec<u32>> = examples().into_iter().map(|e| e.prompt).collect();
            let mut options = GenerationOptions::greedy(12, vec![1]);
            options.min_new_tokens = 6;
            let cached = model.generate(&prompts, &options);
            options.use_cache = false;
            assert_eq!(
                model.generate(&prompts, &options),
                cached,
                "{backend} {version}"
            );
            for (prompt, answer) in prompts.iter().zip(&cached) {
                assert!((6..=12).contains(&answer.len()) && !answer.contains(&1));
                let alone = model.generate(std::slice::from_ref(prompt), &options);
                assert_eq!(&alone[0], answer, "{backend} {version}");
            }
        }
    }
}

/// Number of observed tokens and second moments, by weight; and the number of calls.
#[derive(Default)]
struct Sums(BTreeMap<u64, (usize, Vec<f64>)>, usize);

impl Observer for Sums {
    fn projected(&mut self, input: &Tensor<2>, outputs: &[(ParamId, Tensor<2>)]) {
        self.1 += 1;
        let moment = values(input.clone().transpose().matmul(input.clone()));
        for (id, output) in outputs {
            assert_eq!(output.dims()[0], input.dims()[0]);
            let (tokens, sum) = self
                .0
                .entry(id.val())
                .or_insert_with(|| (0, vec![0.0; moment.len()]));
            *tokens += input.dims()[0];
            sum.iter_mut()
                .zip(&moment)
                .for_each(|(sum, value)| *sum += value);
        }
    }
}

/// Ids of all matrices but the embedding and the head, by path.
fn projections(model: &T5) -> BTreeMap<String, u64> {
    #[derive(Default)]
    struct Ids(Vec<String>, BTreeMap<String, u64>);
    impl ModuleVisitor for Ids {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.0.push(name.to_string());
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let path = self.0.join(".");
            let other = ["shared", "lm_head", "relative_attention_bias"];
            if D == 2 && !other.iter().any(|name| path.contains(name)) {
                self.1.insert(path, param.id.val());
            }
        }
    }
    let mut ids = Ids::default();
    model.visit(&mut ids);
    ids.1
}

#[test]
fn every_linear_layer_is_observed_with_its_own_tokens_and_without_padding() {
    for (backend, device) in backends() {
        for (version, config) in both() {
            let model = model(&config, &device);
            let examples = examples();
            let (mut together, mut alone) = (Sums::default(), Sums::default());
            model.observe(&examples, &mut together);
            for example in &examples {
                model.observe(std::slice::from_ref(example), &mut alone);
            }
            let expected = projections(&model);
            assert_eq!(together.0.len(), expected.len(), "{backend} {version}");
            // Two encoder blocks with 4 inputs each, three decoder blocks with 6, and the encoder's output,
            // which the three share.
            assert_eq!(together.1, 2 * 4 + 3 * 6 + 1);
            for (path, id) in &expected {
                // 13 + 1 + 5 prompt tokens and the end token that replaces the empty prompt; the keys and
                // values of cross-attention are computed from the prompt too.
                let of_prompt = path.starts_with("encoder")
                    || path.contains("EncDecAttention.k")
                    || path.contains("EncDecAttention.v");
                let (tokens, moment) = &together.0[id];
                assert_eq!(*tokens, if of_prompt { 20 } else { 15 }, "{path}");
                let (own_tokens, own_moment) = &alone.0[id];
                assert_eq!(tokens, own_tokens);
                let size = moment.iter().fold(1e-3_f64, |a, v| a.max(v.abs()));
                for (a, b) in moment.iter().zip(own_moment) {
                    // Rounding of f32 sums over some dozen tokens in another order, through all blocks.
                    assert!(
                        (a - b).abs() < 1e-4 * size,
                        "{backend} {version} {path}: {a} {b}"
                    );
                }
            }
        }
    }
}

#[test]
fn examples_without_answers_are_observed_in_the_encoder_only() {
    let model = model(&config(false), &Device::flex());
    let mut seen = Sums::default();
    let question = Example::new(vec![4, 5, 1], Vec::new());
    model.observe(&[question], &mut seen);
    // Two encoder blocks with 6 matrices each, and 3 pairs of keys and values.
    assert_eq!(seen.0.len(), 2 * 6 + 3 * 2);
    assert!(seen.0.values().all(|(tokens, _)| *tokens == 3));
}

#[test]
fn own_examples_have_end_tokens_and_depend_on_the_seed() {
    let model = model(&config(true), &Device::flex());
    let (first, ends) = ([7, 7, 9], [1]);
    let examples = model.own_examples(&first, 5, &ends, 3);
    assert_eq!(examples.len(), 3);
    for example in &examples {
        for text in [&example.prompt, &example.answer] {
            assert_eq!(text.last(), Some(&1));
            assert!((2..=6).contains(&text.len()), "{text:?}");
            assert_eq!(text.iter().filter(|&&token| token == 1).count(), 1);
        }
    }
    assert_eq!(model.own_examples(&first, 5, &ends, 3), examples);
    assert_ne!(model.own_examples(&first, 5, &ends, 4), examples);
    // The tokenizer's end token, not that of the configuration.
    for example in model.own_examples(&first, 5, &[2, 1], 3) {
        for text in [&example.prompt, &example.answer] {
            assert_eq!(text.last(), Some(&2));
            assert!(
                !text.contains(&1),
                "{text:?} goes on over a token that ends it"
            );
        }
    }
}

#[test]
fn folders_of_both_families_load_as_their_family_and_keep_tensor_names() {
    let scratch = tempfile::tempdir().unwrap();
    let device = Device::flex();
    for (version, config) in both() {
        let source = scratch.path().join(format!("source {version}"));
        std::fs::create_dir_all(&source).unwrap();
        std::fs::write(source.join("config.json"), config.to_string()).unwrap();
        let model = model(&config, &device);
        let out = scratch.path().join(version);
        let source = HfFolder::open(source).unwrap();
        source.export(&model, &out, ExportPrecision::F32).unwrap();

        let bytes = std::fs::read(out.join("model.safetensors")).unwrap();
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let header: Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
        let tensor = |name: &str| header[name]["shape"].clone();
        assert_eq!(tensor("shared.weight"), json!([VOCABULARY, 16]));
        assert_eq!(
            tensor("encoder.block.1.layer.0.SelfAttention.q.weight"),
            json!([12, 16])
        );
        assert_eq!(
            tensor("decoder.block.2.layer.1.EncDecAttention.o.weight"),
            json!([16, 12])
        );
        assert_eq!(
            tensor("decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"),
            json!([8, 2])
        );
        assert_eq!(tensor("decoder.final_layer_norm.weight"), json!([16]));
        let (plain, gated) = (json!([20, 16]), Value::Null);
        let wi = tensor("encoder.block.0.layer.1.DenseReluDense.wi.weight");
        let head = tensor("lm_head.weight");
        match version {
            "v1.0" => assert_eq!((wi, head), (plain, gated)),
            _ => assert_eq!((wi, head), (gated, json!([VOCABULARY, 16]))),
        }

        let again: Model = HfFolder::open(&out).unwrap().load(&device).unwrap().model;
        let Model::T5(inner) = &again else {
            panic!("{version} loaded as another family");
        };
        let (prompts, answers) = (vec![vec![3, 4, 1]], vec![vec![0, 9]]);
        let logits = |model: &T5| values(model.logits(&prompts, &answers));
        assert_eq!(logits(inner), logits(&model));
        assert_eq!(again.num_params(), model.num_params());
        let greedy = GenerationOptions::greedy(4, vec![1]);
        assert_eq!(
            again.generate(&prompts, &greedy),
            model.generate(&prompts, &greedy)
        );
    }
}

#[test]
fn configurations_that_cannot_be_built_are_refused() {
    let cases = [
        ("model_type", json!("umt5"), "model_type"),
        ("feed_forward_proj", json!("gated-silu"), "relu, gated-gelu"),
        ("num_heads", json!(0), "num_heads"),
        ("d_kv", json!("x"), "d_kv"),
        ("relative_attention_num_buckets", json!(3), "buckets"),
        ("relative_attention_max_distance", json!(4), "max_distance"),
        ("eos_token_id", json!(99), "eos_token_id"),
    ];
    for (key, value, word) in cases {
        let mut config = config(false);
        config[key] = value;
        let error = T5Config::from_json(&config, Path::new("config.json")).unwrap_err();
        assert!(error.to_string().contains(word), "{key}: {error}");
    }
    let unknown = Model::from_config(
        &json!({"model_type": "bert"}),
        Path::new("c"),
        &Device::flex(),
    );
    let error = unknown.err().unwrap();
    assert!(matches!(error, LmError::Unsupported { .. }) && error.to_string().contains("t5"));
}
