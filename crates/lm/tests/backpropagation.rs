//! The backward pass in pieces gives the gradients of the loss as a whole.

#![allow(clippy::unwrap_used)]

mod common;

use burn::module::{Module, ModuleVisitor, Param, ParamGroup};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Tensor};
use common::families::families;
use common::{backends, configs, rows, values};
use lm::{Backpropagation, Example, LanguageModel, Unmapped};
use serde_json::json;

/// Relative error of sums of some thousand f32 products in two orders; 1.3e-5 is the largest one seen, of a bias that
/// every pair of positions adds to.
const ROUNDING: f64 = 2e-5;

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
) -> (f64, GradientsParams) {
    let mut accumulator = GradientsAccumulator::new();
    let how = Backpropagation {
        scale: 0.1,
        map: &Unmapped,
        activation_checkpointing,
        packing,
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
        let (loss, found) = in_pieces(model, examples, activation_checkpointing, packing);
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
fn only_a_few_rows_of_a_large_vocabulary_exist_at_a_time() {
    let device = Device::flex().autodiff();
    let mut config = configs()[0].1.clone();
    config["vocab_size"] = json!(70_000);
    config["hidden_size"] = json!(6);
    let model = common::model(&config, 4, &device).unfreeze();
    // 120 rows of logits can exist at a time.
    let examples = [Example::new(vec![7], (0..260).map(|i| 100 * i).collect())];
    check("large vocabulary", &model, &examples);
}
