//! Low-rank adapters: they start without effect; the sequential adapter continues, orthogonal
//! adapters stay apart.

use burn::module::{LoraAdapter, Module, ModuleVisitor, Param};
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig, LinearLayout};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use continual::methods::{LoraConfig, LoraMethod, OrthogonalityOn, PerTaskValue};
use continual::trainer::TrainConfig;
use continual::{Clock, Method, Task, TaskContext};
use lm::Decoder;
use osft::Targets;

use crate::common::adapters::{host, trained};
use crate::common::*;

fn settings(orthogonality: f64) -> LoraConfig {
    LoraConfig {
        targets: Targets::matching([r"(q|v)_proj\.weight$"]),
        adapter_rank: 3,
        alpha: 6.0,
        orthogonality: PerTaskValue::All(orthogonality),
        size: PerTaskValue::default(),
        orthogonality_on: OrthogonalityOn::default(),
    }
}

fn context<'a>(tasks: &'a [Task], index: usize, clock: &'a Clock) -> TaskContext<'a> {
    TaskContext {
        index,
        count: tasks.len(),
        first: 0,
        task: &tasks[index],
        clock,
        optimizer: Box::leak(Box::new(TrainConfig::default().optimizer())),
    }
}

#[test]
fn a_new_adapter_changes_nothing_and_is_all_that_trains() {
    for (backend, device) in backends() {
        let tasks = tasks(&tokenizer());
        let start = model(&device.clone().autodiff());
        let rows = vec![vec![6, 1, 8], vec![7, 2]];
        let unchanged = weights(&start);
        let before: Vec<f64> = start.logits(&rows).into_data().iter().collect();
        let mut method = LoraMethod::sequential(settings(0.0), 4).unwrap();
        let (prepared, _) = method
            .begin_task(start, context(&tasks, 0, &Clock::start()))
            .unwrap();
        let after: Vec<f64> = prepared.logits(&rows).into_data().iter().collect();
        let merged = prepared.clone().materialize();
        assert_eq!(weights(&merged), unchanged, "{backend}: B starts at zero");
        // flex takes another loop for a weight behind an adapter, which sums products in another order: two units in
        // the last place of logits between 2 and 4.
        let tolerance = match backend {
            "flex" => 5e-7,
            _ => 0.0,
        };
        for (before, after) in before.iter().zip(&after) {
            let error = (before - after).abs();
            assert!(error <= tolerance, "{backend}: {before} {after}");
        }
        let factors = trained(&prepared);
        // One layer, two targets of 16 x 16, two factors each.
        let shapes: Vec<[usize; 2]> = factors.iter().map(Tensor::dims).collect();
        assert_eq!(shapes, [[16, 3], [3, 16], [16, 3], [3, 16]]);
        assert!(host(&factors[0]).iter().all(|value| value.abs() <= 0.25));
        let count = settings(0.0).adapter_parameters(&prepared).unwrap();
        assert_eq!(count, 4 * 3 * 16);
    }
}

#[test]
fn adapters_learn_and_end_task_returns_a_plain_model() {
    for (backend, device) in backends() {
        for orthogonal in [false, true] {
            let mut method = match orthogonal {
                true => LoraMethod::orthogonal(settings(0.5), 4).unwrap(),
                false => LoraMethod::sequential(settings(0.0), 4).unwrap(),
            };
            let (outcome, steps) = run(&device, &mut method, &config(TrainConfig::default()));
            let (first, last) = (steps.first().unwrap().loss, steps.last().unwrap().loss);
            assert!(last < 0.7 * first, "{backend}: {first} to {last}");
            let plain = model(&device);
            assert_eq!(outcome.model.num_params(), plain.num_params());
            assert_eq!(outcome.diagnostics[1].trainable_parameters, 4 * 3 * 16);
            struct NoAdapter;
            impl ModuleVisitor for NoAdapter {
                fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                    assert!(param.reparameterization::<LoraAdapter>().is_none());
                }
            }
            outcome.model.visit(&mut NoAdapter);
        }
    }
}

#[test]
fn the_penalty_is_the_overlap_with_earlier_adapters_and_reduces_it() {
    for (backend, device) in backends() {
        let tasks = tasks(&tokenizer());
        let mut method = LoraMethod::orthogonal(settings(0.5), 4).unwrap();
        let start = model(&device.clone().autodiff());
        let (first, _) = method
            .begin_task(start, context(&tasks, 0, &Clock::start()))
            .unwrap();
        assert!(
            method.penalty(&first, 1).is_none(),
            "there is nothing to be orthogonal to"
        );
        let earlier = trained(&first);
        let (merged, _) = method
            .end_task(first, context(&tasks, 0, &Clock::start()))
            .unwrap();
        let (mut second, mut optimizer) = method
            .begin_task(merged, context(&tasks, 1, &Clock::start()))
            .unwrap();

        let overlap = |model: &Decoder| -> f64 {
            let now = trained(model);
            [0, 2]
                .into_iter()
                .map(|factor| {
                    let (old, new) = (host(&earlier[factor]), host(&now[factor]));
                    let entry = |i: usize, j: usize| -> f64 {
                        (0..16).map(|row| old[row * 3 + i] * new[row * 3 + j]).sum()
                    };
                    let all = (0..3).flat_map(|i| (0..3).map(move |j| (i, j)));
                    all.map(|(i, j)| entry(i, j).abs()).sum::<f64>()
                })
                .sum()
        };
        let penalty = |model: &Decoder| method.penalty(model, 1).unwrap();
        let found = f64::from(penalty(&second).into_scalar::<f32>());
        // A sum of eighteen products with sixteen terms each, in f32.
        assert!(
            (found - 0.5 * overlap(&second)).abs() < 1e-5,
            "{backend}: {found}"
        );

        let before = overlap(&second);
        for _ in 0..60 {
            let grads = GradientsParams::from_grads(penalty(&second).backward(), &second);
            second = optimizer.step(2e-3, second, grads);
        }
        let after = overlap(&second);
        assert!(after < 0.3 * before, "{backend}: {before} to {after}");
    }
}

#[test]
fn a_sequential_adapter_continues_and_an_orthogonal_one_starts_again() {
    let (_, device) = backends().remove(1);
    let tasks = tasks(&tokenizer());
    for orthogonal in [false, true] {
        let mut method = match orthogonal {
            true => LoraMethod::orthogonal(settings(0.5), 4).unwrap(),
            false => LoraMethod::sequential(settings(0.5), 4).unwrap(),
        };
        let start = model(&device.clone().autodiff());
        let (first, _) = method
            .begin_task(start, context(&tasks, 0, &Clock::start()))
            .unwrap();
        let before = host(&trained(&first)[0]);
        let (merged, _) = method
            .end_task(first, context(&tasks, 0, &Clock::start()))
            .unwrap();
        let (second, _) = method
            .begin_task(merged, context(&tasks, 1, &Clock::start()))
            .unwrap();
        assert_eq!(host(&trained(&second)[0]) != before, orthogonal);
        assert_eq!(method.penalty(&second, 1).is_some(), orthogonal);
    }
}

#[test]
fn an_error_names_the_setting_out_of_range() {
    let mut broken = settings(0.0);
    broken.adapter_rank = 0;
    let error = LoraMethod::sequential(broken, 0).unwrap_err().to_string();
    assert!(error.contains("adapter_rank = 0"), "{error}");
    let error = LoraMethod::orthogonal(settings(-1.0), 0)
        .unwrap_err()
        .to_string();
    assert!(error.contains("orthogonality"), "{error}");
}

#[test]
fn a_task_changes_a_module_in_its_weights_only() {
    /// Square weights, so that no shape reveals how a weight is stored.
    #[derive(Module, Debug)]
    struct Layers {
        q_proj: Linear,
        v_proj: Linear,
        dropout: Dropout,
    }
    for (backend, device) in backends() {
        let device = device.autodiff();
        let layer = LinearConfig::new(4, 4).with_layout(LinearLayout::Col);
        let model = Layers {
            q_proj: layer.init(&device),
            v_proj: layer.init(&device),
            dropout: DropoutConfig::new(0.1).init(),
        };
        let q_bias = model
            .q_proj
            .bias
            .clone()
            .map(|bias| bias.set_require_grad(false));
        let model = Layers {
            q_proj: Linear {
                bias: q_bias,
                ..model.q_proj
            },
            ..model
        };
        let mut method = LoraMethod::sequential(settings(0.0), 1).unwrap();
        let tasks = tasks(&tokenizer());
        let clock = Clock::start();
        let begun = method.begin_task(model, context(&tasks, 0, &clock));
        let (model, mut optimizer) = begun.unwrap();
        assert!(model.dropout.training.val().is_enabled(), "{backend}");
        let x = Tensor::<2>::ones([3, 4], &device);
        let y = model.v_proj.forward(model.q_proj.forward(x));
        let grads = GradientsParams::from_grads(y.square().mean().backward(), &model);
        let model = optimizer.step(1e-2, model, grads);
        let ended = method.end_task(model, context(&tasks, 0, &clock));
        let (model, _) = ended.unwrap();
        let trains = |layer: &Linear| {
            let bias = layer.bias.as_ref().unwrap();
            (layer.weight.is_require_grad(), bias.is_require_grad())
        };
        assert_eq!(trains(&model.q_proj), (true, false), "{backend}");
        assert_eq!(trains(&model.v_proj), (true, true), "{backend}");
        // Still stored transposed.
        let weight = &model.v_proj.weight;
        let saved = weight.transform_for_save().val();
        assert_eq!(host(&saved), host(&weight.val().transpose()), "{backend}");
    }
}
