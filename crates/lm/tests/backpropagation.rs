//! The backward pass in pieces gives the gradients of the loss as a whole.

use crate::common;
use crate::common::families::families;
use crate::common::{backends, configs, rows, values};
use burn::module::{Module, ModuleVisitor, Param, ParamGroup};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{DType, Device, Tensor};
use lm::{Backpropagation, Example, LanguageModel, MixedPrecision, Unmapped};
use serde_json::json;

/// Relative error of sums of some thousand f32 products in two orders; 1.3e-5 is the largest one seen, of a bias that
/// every pair of positions adds to.
const ROUNDING: f64 = 2e-5;
/// Relative error of a gradient whose factors are rounded to bf16, at 2⁻⁸ each: some twenty roundings of either sign follow
/// one another between loss and input, and the gradients of queries and keys are differences. 0.135 is the largest one
/// seen, of a key in the first block of an encoder.
const MIXED: f64 = 0.2;
/// The same of the loss, in which the errors of many logits cancel.
const MIXED_LOSS: f64 = 5e-3;

/// Gradients of a module, by path; parameters without a gradient are left out.
fn by_path<M: Module>(module: &M, grads: &GradientsParams) -> Vec<(String, Vec<f64>)> {
    struct Collector<'a> {
        grads: &'a GradientsParams,
        path: Vec<String>,
        found: Vec<(String, Vec<f64>)>,
    }
    impl ModuleVisitor for Collector<'_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_string());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.grads.get::<D>(param.id) {
                assert_eq!(gradient.dtype(), DType::F32);
                self.found.push((self.path.join("."), values(gradient)));
            }
        }
    }
    let mut collector = Collector {
        grads,
        path: Vec::new(),
        found: Vec::new(),
    };
    module.visit(&mut collector);
    collector.found
}

fn in_pieces<M: LanguageModel>(
    model: &M,
    examples: &[Example],
    activation_checkpointing: bool,
    packing: bool,
    precision: MixedPrecision,
) -> (f64, GradientsParams) {
    let mut accumulator = GradientsAccumulator::new();
    let how = Backpropagation {
        scale: 0.1,
        map: &Unmapped,
        activation_checkpointing,
        packing,
        precision,
    };
    let loss = model.answer_gradients(examples, how, &mut |grads| {
        accumulator.accumulate(model, grads);
    });
    (loss, accumulator.grads())
}

/// Compares both backward passes, with and without activation checkpointing and packing, with the loss as a whole.
fn check<M: LanguageModel>(what: &str, model: &M, examples: &[Example]) {
    let loss = model.answer_loss(examples).0 * 0.1;
    let expected_loss = values(loss.clone())[0];
    let expected = GradientsParams::from_grads(loss.backward(), model);
    let expected = by_path(model, &expected);
    assert!(!expected.is_empty(), "{what}: nothing has a gradient");
    for (activation_checkpointing, packing) in
        [(false, false), (true, false), (false, true), (true, true)]
    {
        let what = format!("{what}, checkpointing {activation_checkpointing}, packing {packing}");
        let (loss, found) = in_pieces(
            model,
            examples,
            activation_checkpointing,
            packing,
            MixedPrecision::None,
        );
        let found = by_path(model, &found);
        assert!(
            (loss - expected_loss).abs() < ROUNDING * expected_loss.abs(),
            "{what}: {loss} {expected_loss}"
        );
        let paths = |all: &[(String, Vec<f64>)]| -> Vec<String> {
            all.iter().map(|(path, _)| path.clone()).collect()
        };
        assert_eq!(paths(&found), paths(&expected), "{what}");
        for ((path, found), (_, expected)) in found.iter().zip(&expected) {
            let scale = expected.iter().fold(1e-3_f64, |m, v| m.max(v.abs()));
            for (a, b) in found.iter().zip(expected) {
                assert!((a - b).abs() < ROUNDING * scale, "{what} {path}: {a} {b}");
            }
        }
    }
}

/// Compares the backward pass in bf16, with and without activation checkpointing and packing, with that in f32.
fn check_mixed<M: LanguageModel>(what: &str, model: &M, examples: &[Example]) {
    for (activation_checkpointing, packing) in
        [(false, false), (true, false), (false, true), (true, true)]
    {
        let what = format!("{what}, checkpointing {activation_checkpointing}, packing {packing}");
        let run = |precision| {
            in_pieces(
                model,
                examples,
                activation_checkpointing,
                packing && model.can_pack(),
                precision,
            )
        };
        let (full_loss, full) = run(MixedPrecision::None);
        let (loss, mixed) = run(MixedPrecision::Bf16);
        let apart = (loss / full_loss - 1.0).abs();
        assert!(apart < MIXED_LOSS, "{what}: {loss} {full_loss}");
        let (full, mixed) = (by_path(model, &full), by_path(model, &mixed));
        assert_eq!(full.len(), mixed.len(), "{what}");
        let norm = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>().sqrt();
        let largest = full.iter().map(|(_, values)| norm(values));
        let largest = largest.fold(0.0_f64, f64::max);
        let mut rounded = 0.0_f64;
        for ((path, full), (_, mixed)) in full.iter().zip(&mixed) {
            let pairs = mixed.iter().zip(full);
            let apart: Vec<f64> = pairs.map(|(mixed, full)| mixed - full).collect();
            // What is left where large gradients cancel is measured by the largest gradient.
            let relative = norm(&apart) / norm(full).max(1e-2 * largest);
            assert!(relative < MIXED, "{what} {path}: {relative}");
            rounded = rounded.max(relative);
        }
        assert!(
            rounded > 2.0 * f64::from(f32::EPSILON),
            "{what}: nothing is in bf16"
        );
    }
}

fn halves() -> Vec<Example> {
    let half =
        |row: &Vec<u32>| Example::new(row[..row.len() / 2].to_vec(), row[row.len() / 2..].to_vec());
    let long_enough = |row: &&Vec<u32>| row.len() > 1;
    let mut halves: Vec<Example> = rows().iter().filter(long_enough).map(half).collect();
    // A conversation: what stands between two answers does not count.
    if let Some(longest) = halves.iter_mut().max_by_key(|example| example.answer.len()) {
        let counts = |position| position % 3 != 1;
        longest.loss_mask = (0..longest.answer.len()).map(counts).collect();
    }
    halves
}

/// Freezes the model except for parameters whose path contains `part`.
fn only<M: Module>(model: M, part: &str) -> M {
    let chosen = ParamGroup::from_predicate(part);
    let model = model.unfreeze();
    model.freeze_group(ParamGroup::all().exclude(chosen))
}

#[test]
fn the_backward_pass_in_pieces_agrees_with_the_whole_for_every_decoder() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        for (shape, config) in [configs(), families()].concat() {
            let model = common::model(&config, 3, &device).unfreeze();
            check(&format!("{backend} {shape}"), &model, &halves());
            for part in [
                "layers.1",
                "layers.0.self_attn",
                "embed_tokens",
                "norm.gamma",
            ] {
                let model = only(model.clone(), part);
                check(&format!("{backend} {shape} {part}"), &model, &halves());
            }
        }
    }
}

#[test]
fn pieces_of_a_t5_agree_with_the_whole() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        for (version, config) in common::t5::both() {
            let model = common::t5::model(&config, &device).unfreeze();
            let examples = common::t5::examples();
            check(&format!("{backend} {version}"), &model, &examples);
            for part in [
                "final_layer_norm",
                "encoder.block.0",
                "decoder.block.1",
                "shared",
                "relative_attention_bias",
            ] {
                let model = only(model.clone(), part);
                check(&format!("{backend} {version} {part}"), &model, &examples);
            }
        }
    }
}

#[test]
fn mixed_precision_gives_the_gradients_of_f32_within_rounding_to_bf16() {
    let device = Device::flex().autodiff();
    for (shape, config) in [configs(), families()].concat() {
        let model = common::model(&config, 3, &device).unfreeze();
        check_mixed(shape, &model, &halves());
    }
    for (version, config) in common::t5::both() {
        let model = common::t5::model(&config, &device).unfreeze();
        check_mixed(version, &model, &common::t5::examples());
    }
}

#[test]
fn a_device_says_whether_it_has_mixed_precision() {
    for (backend, device) in backends() {
        assert!(MixedPrecision::None.is_supported_by(&device));
        let bf16 = MixedPrecision::Bf16.is_supported_by(&device);
        assert_eq!(bf16, backend == "flex", "{backend}");
    }
}

#[test]
fn only_a_few_rows_of_a_large_vocabulary_exist_at_a_time() {
    let device = Device::flex().autodiff();
    let mut config = configs()[0].1.clone();
    config["vocab_size"] = json!(70_000);
    config["hidden_size"] = json!(6);
    let model = common::model(&config, 4, &device).unfreeze();
    // 120 rows of logits can exist at a time.
    let examples = [Example::new(vec![7], (0..260).map(|i| 100 * i).collect())];
    check("large vocabulary", &model, &examples);
    check_mixed("large vocabulary", &model, &examples);
    // Both versions: a head that is tied to the embeddings, which train, and one that is not.
    for (version, mut config) in common::t5::both() {
        config["vocab_size"] = json!(70_000);
        let model = common::t5::model(&config, &device).unfreeze();
        let rows = [Example::new(
            vec![5, 9],
            (2..260).map(|i| 100 * i).collect(),
        )];
        check(version, &model, &rows);
        check_mixed(version, &model, &rows);
    }
}
