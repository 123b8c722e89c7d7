//! The guarantees of the `core` form, on both CPU backends.

use crate::common::{Mlp, backends, batch, host_leaks, weights_of};
use burn::module::Module;
use burn::optim::{
    AdamWConfig, GradientsParams, ModuleOptimizer, MuonConfig, Optimizer, SgdConfig,
};
use burn::tensor::{Device, Tensor, TensorData};
use osft::{Osft, OsftConfig};

const STEPS: usize = 200;
/// Rounding of `W₀ + N C Nᵀ` in f32, `2⁻²⁴ ‖W‖ / ‖ΔW‖` (here `‖ΔW‖` is at least a hundredth of `‖W‖`), and
/// rounding of the bases themselves.
const LEAK_BOUND: f64 = 5e-6;

fn config(share: f64) -> OsftConfig {
    OsftConfig::new().with_protected_share(share)
}

fn train(
    mut model: Mlp,
    optimizer: &mut ModuleOptimizer,
    lr: f64,
    steps: std::ops::Range<usize>,
    device: &Device,
) -> (Mlp, Vec<f32>) {
    let mut losses = Vec::new();
    for step in steps {
        let (x, y) = batch(step as u64, device);
        // Summed, not averaged: plain SGD at 1e-3 must move the layers visibly, since the leak is relative to
        // the change.
        let loss = (model.forward(x) - y).square().sum();
        losses.push(loss.clone().into_scalar::<f32>());
        let grads = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(lr, model, grads);
    }
    (model, losses)
}

fn leak_stays_at_rounding<O: Optimizer>(inner: O, name: &str) {
    for (backend, device) in backends() {
        for share in [0.3, 0.8] {
            let device = device.clone().autodiff();
            let model = Mlp::new(7, &device);
            let osft = Osft::split(&model, &config(share)).unwrap();
            let start = weights_of(&model);
            let mut optimizer = osft.optimizer(inner.clone()).unwrap();
            let model = osft.prepare(model).unwrap();
            let (model, _) = train(model, &mut optimizer, 1e-3, 0..STEPS, &device);

            let report = osft.leaks(&model).unwrap();
            let independent = host_leaks(&start, &weights_of(&model), share);
            for (layer, (host_in, host_out)) in report.layers.iter().zip(independent) {
                let found = [layer.leak_in, layer.leak_out, host_in, host_out];
                println!("{backend} {name} {share} {}: {found:?}", layer.path);
                assert!(layer.relative_change > 1e-4, "{layer:?} did not learn");
                assert!(
                    found.iter().all(|&leak| leak <= LEAK_BOUND),
                    "{backend} {name} share {share} {}: reported and independent leaks {found:?}",
                    layer.path
                );
                assert!(layer.leak_both <= layer.leak_in.min(layer.leak_out) * 1.001 + 1e-9);
            }
        }
    }
}

#[test]
fn adamw_does_not_leak() {
    leak_stays_at_rounding(AdamWConfig::new().build(), "adamw");
}

#[test]
fn sgd_does_not_leak() {
    leak_stays_at_rounding(SgdConfig::new().build(), "sgd");
}

#[test]
fn muon_does_not_leak() {
    leak_stays_at_rounding(MuonConfig::new().build(), "muon");
}

#[test]
fn share_zero_is_plain_fine_tuning_bit_for_bit() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        let model = Mlp::new(3, &device);
        let osft = Osft::split(&model, &config(0.0)).unwrap();
        let model = osft.prepare(model).unwrap();
        let inner = AdamWConfig::new().build();
        let before = weights_of(&model);
        let (trained, plain) = train(
            model.clone(),
            &mut inner.clone().into(),
            1e-2,
            0..40,
            &device,
        );
        let (_, open) = train(
            model,
            &mut osft.optimizer(inner).unwrap(),
            1e-2,
            0..40,
            &device,
        );
        assert_eq!(plain, open, "{backend}");
        assert_ne!(
            before,
            weights_of(&trained),
            "{backend}: nothing was trained"
        );
    }
}

#[test]
fn share_one_changes_nothing() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        let model = Mlp::new(4, &device);
        let osft = Osft::split(&model, &config(1.0)).unwrap();
        assert_eq!(osft.free_parameters(), 0);
        let model = osft.prepare(model).unwrap();
        let before = weights_of(&model);
        let mut optimizer = osft.optimizer(AdamWConfig::new().build()).unwrap();
        let (model, _) = train(model, &mut optimizer, 1e-2, 0..5, &device);
        assert_eq!(before, weights_of(&model), "{backend}");
        assert_eq!(osft.leaks(&model).unwrap().worst().leak_in, 0.0);
    }
}

#[test]
fn every_target_moves_in_one_step_and_nothing_else_does() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        let model = Mlp::new(5, &device);
        let config = config(0.5).with_targets(["^(first|last)\\.weight$"]);
        let osft = Osft::split(&model, &config).unwrap();
        let model = osft.prepare(model).unwrap();
        let before = model.clone();
        let mut optimizer = osft.optimizer(AdamWConfig::new().build()).unwrap();
        let (model, _) = train(model, &mut optimizer, 1e-3, 0..1, &device);
        let moved: Vec<bool> = weights_of(&before)
            .iter()
            .zip(weights_of(&model))
            .map(|(a, b)| a.values != b.values)
            .collect();
        assert_eq!(moved, [true, false, true], "{backend}");
        let bias = |m: &Mlp| m.first.bias.as_ref().unwrap().val().into_data();
        assert_eq!(bias(&before), bias(&model), "{backend}");
    }
}

#[test]
fn a_task_switch_keeps_the_learned_weights_bit_for_bit() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        let model = Mlp::new(6, &device);
        let osft = Osft::split(&model, &config(0.5)).unwrap();
        let mut optimizer = osft.optimizer(AdamWConfig::new().build()).unwrap();
        let model = osft.prepare(model).unwrap();
        let (model, _) = train(model, &mut optimizer, 1e-2, 0..20, &device);
        let learned = weights_of(&model);
        let model = osft.finish(model).unwrap();
        let next = Osft::split(&model, osft.config()).unwrap();
        assert_eq!(learned, weights_of(&model), "{backend}");
        let model = next.prepare(model).unwrap();
        assert_eq!(learned, weights_of(&model), "{backend}");
        // The new split measures from the learned weights, not from the base model.
        assert_eq!(next.leaks(&model).unwrap().worst().relative_change, 0.0);
        assert!(osft.leaks(&model).unwrap().worst().relative_change > 0.0);
    }
}

#[test]
fn projecting_gradients_before_the_step_changes_no_step() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        for share in [0.3, 0.8] {
            let model = Mlp::new(8, &device);
            let osft = Osft::split(&model, &config(share)).unwrap();
            let model = osft.prepare(model).unwrap();
            let stepped = |project: bool| {
                let (x, y) = batch(1, &device);
                let loss = (model.forward(x) - y).square().mean();
                let mut grads = GradientsParams::from_grads(loss.backward(), &model);
                if project {
                    grads = osft.project(grads);
                }
                let mut optimizer = osft.optimizer(SgdConfig::new().build()).unwrap();
                weights_of(&optimizer.step(0.1, model.clone(), grads))
            };
            for (a, b) in stepped(true).iter().zip(stepped(false)) {
                for (x, y) in a.values.iter().zip(b.values) {
                    // The error of one more projection of f32 values of order 1.
                    assert!((x - y).abs() < 1e-6, "{backend} share {share}: {x} {y}");
                }
            }
        }
    }
}

#[test]
fn an_optimizer_restored_from_its_record_takes_the_same_next_steps() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        let model = Mlp::new(9, &device);
        let osft = Osft::split(&model, &config(0.8)).unwrap();
        let inner = AdamWConfig::new().build();
        let mut optimizer = osft.optimizer(inner.clone()).unwrap();
        let model = osft.prepare(model).unwrap();
        let (model, _) = train(model, &mut optimizer, 1e-2, 0..10, &device);
        let bytes = optimizer.into_bytes().unwrap();
        let mut reloaded = osft.optimizer(inner).unwrap().from_bytes(bytes).unwrap();
        let (straight, _) = train(model.clone(), &mut optimizer, 1e-2, 10..20, &device);
        let (resumed, _) = train(model, &mut reloaded, 1e-2, 10..20, &device);
        assert_eq!(weights_of(&straight), weights_of(&resumed), "{backend}");
    }
}

#[test]
fn a_module_without_autodiff_can_be_split() {
    for (_, device) in backends() {
        let model = Mlp::new(1, &device);
        let osft = Osft::split(&model.valid(), &config(0.5)).unwrap();
        assert_eq!(osft.layers().len(), 3);
    }
}

#[test]
fn a_change_below_rounding_is_no_leak() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        let model = Mlp::new(7, &device);
        let osft = Osft::split(&model, &config(0.5)).unwrap();
        let mut moved = osft.prepare(model).unwrap();
        // One unit in the last place of one value out of 256.
        moved.first.weight = moved.first.weight.map(|weight| {
            let mut values: Vec<f32> = weight.inner().into_data().try_into_vec().unwrap();
            values[0] = f32::from_bits(values[0].to_bits() + 1);
            let data = TensorData::new(values, [16, 16]);
            Tensor::from_data(data, &device).require_grad()
        });
        let report = osft.leaks(&moved).unwrap();
        let first = &report.layers[0];
        assert!(first.relative_change > 0.0, "{backend}: {first:?}");
        assert_eq!((first.leak_in, first.leak_out), (0.0, 0.0), "{backend}");
    }
}
