//! The guarantees of each form.

use crate::common::{FORMS, Mlp, adamw, backends, batch, host_leaks, noise, step, weights_of};
use burn::module::Param;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use osft::{Decay, Form, FreeFactors, Osft, OsftConfig, Others};
use proptest::prelude::*;

use crate::common::host::{host, svd};

fn linear(seed: u64, d_in: usize, d_out: usize, device: &Device) -> Linear {
    let mut linear = LinearConfig::new(d_in, d_out).with_bias(false).init(device);
    let values = noise(seed, d_in * d_out, 1.0);
    linear.weight = Param::from_data(TensorData::new(values, [d_in, d_out]), device);
    linear
}

fn train(mut model: Mlp, osft: &Osft, optimizer: &mut ModuleOptimizer, device: &Device) -> Mlp {
    for seed in 0..60 {
        model = step(model, osft, optimizer, 1e-2, seed, device);
    }
    osft.finish(model).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Equation 4 of the paper, compared with a decomposition that the test makes itself.
    #[test]
    fn the_weight_form_removes_exactly_the_block_of_equation_4(
        d_in in 1usize..14,
        d_out in 1usize..14,
        share in 0.0f64..0.999,
        seed in 0u64..1000,
    ) {
        for (backend, device) in backends() {
            let layer = linear(seed, d_in, d_out, &device);
            let config = OsftConfig::new().with_protected_share(share).with_form(Form::Weight);
            let osft = Osft::split(&layer, &config).unwrap();
            let k = osft.layers()[0].k_in;
            prop_assume!(k < d_in.min(d_out));
            let parts = svd(&host(&layer.weight.val()));
            let (p, q) = (parts.U().subcols(0, k), parts.V().subcols(0, k));
            let gradient = Tensor::<2>::from_data(
                TensorData::new(noise(seed + 7, d_in * d_out, 1.0), [d_in, d_out]),
                &device,
            );
            let g = host(&gradient);
            let expected = &g - p * (p.transpose() * &g * q) * q.transpose();
            let constraint = &osft.layers()[0].constraint;
            // The gradient of a step and the change that it causes go through the same removal.
            for found in [constraint.lower(gradient.clone()), constraint.constrain(gradient)] {
                // Products of at most 14 terms in f32, with values up to 1.
                let error = (host(&found) - &expected).norm_max();
                prop_assert!(error < 5e-6, "{} {}x{} k {}: {}", backend, d_in, d_out, k, error);
            }
        }
    }
}

#[test]
fn the_weight_form_moves_all_blocks_but_the_protected_one() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        for share in [0.3, 0.8] {
            let model = Mlp::new(5, &device);
            let config = OsftConfig::new().with_protected_share(share);
            let osft = Osft::split(&model, &config.with_form(Form::Weight)).unwrap();
            let model = osft.prepare(model).unwrap();
            let model = train(model, &osft, &mut osft.optimizer(adamw()).unwrap(), &device);
            for leak in osft.leaks(&model).unwrap().layers {
                // Rounding of W₀ + C in f32, with changes of about the size of the weights.
                assert!(leak.leak_both < 2e-6, "{backend} {share}: {leak:?}");
                let others = leak.leak_in.min(leak.leak_out);
                assert!(others > 1e-2, "{backend} {share}: {leak:?}");
            }
        }
    }
}

#[test]
fn only_the_factored_form_leaks_more_than_rounding_on_both_sides() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        let worst = |form| {
            let model = Mlp::new(6, &device);
            let osft = Osft::split(&model, &OsftConfig::new().with_form(form)).unwrap();
            let model = osft.prepare(model).unwrap();
            let model = train(model, &osft, &mut osft.optimizer(adamw()).unwrap(), &device);
            let worst = osft.leaks(&model).unwrap().worst();
            worst.leak_in.max(worst.leak_out)
        };
        // f32 rounding of the projected factors, some dozen times 2⁻²⁴.
        assert!(worst(Form::Core) < 2e-6, "{backend}");
        assert!(worst(Form::FactoredReprojected) < 1e-5, "{backend}");
        // AdamW scales every element separately, which turns the factors.
        assert!(worst(Form::Factored) > 1e-2, "{backend}");
    }
}

#[test]
fn factors_start_at_the_modules_weights_and_are_merged_into_them() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        for form in [Form::Factored, Form::FactoredReprojected] {
            let model = Mlp::new(7, &device);
            let (x, _) = batch(0, &device);
            let before = model.forward(x.clone()).into_data();
            let osft = Osft::split(&model, &OsftConfig::new().with_form(form)).unwrap();
            let ids = [model.first.weight.id, model.last.weight.id];
            let prepared = osft.prepare(model).unwrap();
            assert!(
                prepared
                    .first
                    .weight
                    .reparameterization::<FreeFactors>()
                    .is_some()
            );
            let after = prepared.forward(x).into_data();
            for (a, b) in before.iter::<f64>().zip(after.iter::<f64>()) {
                // The error of one more rounding of every weight.
                assert!((a - b).abs() < 1e-5, "{backend}: {a} {b}");
            }
            let optimizer = &mut osft.optimizer(adamw()).unwrap();
            let start = weights_of(&osft.finish(prepared.clone()).unwrap());
            let model = train(prepared, &osft, optimizer, &device);
            assert!(
                model
                    .first
                    .weight
                    .reparameterization::<FreeFactors>()
                    .is_none()
            );
            assert_eq!(ids, [model.first.weight.id, model.last.weight.id]);
            assert_ne!(start, weights_of(&model), "{backend}: nothing was trained");
        }
    }
}

#[test]
fn share_one_freezes_and_share_zero_frees_in_every_form() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        for form in FORMS {
            for (share, moves) in [(1.0, false), (0.0, true)] {
                let model = Mlp::new(8, &device);
                let before = weights_of(&model);
                let config = OsftConfig::new()
                    .with_protected_share(share)
                    .with_form(form);
                let osft = Osft::split(&model, &config).unwrap();
                let optimizer = &mut osft.optimizer(adamw()).unwrap();
                let model = train(osft.prepare(model).unwrap(), &osft, optimizer, &device);
                let moved = weights_of(&model) != before;
                assert_eq!(moved, moves, "{backend} {form:?} share {share}");
                if !moves {
                    assert_eq!(
                        (osft.free_parameters(), osft.trainable_parameters()),
                        (0, 0)
                    );
                }
            }
        }
    }
}

#[test]
fn parameters_are_counted_by_form() {
    // A layer of 6 x 10 with 3 protected directions on both sides: 3 of 6 are free on one side and 7 of 10 on
    // the other, whose coordinates are its own ten.
    let device = Device::flex();
    let layer = linear(1, 6, 10, &device);
    let cases = [
        (Form::Core, 3 * 7, 3 * 10),
        (Form::Weight, 6 * 10 - 3 * 3, 6 * 10),
        (Form::Factored, 3 * 7, 3 * (6 + 1 + 10)),
        (Form::FactoredReprojected, 3 * 7, 3 * (6 + 1 + 10)),
    ];
    for (form, free, trainable) in cases {
        let config = OsftConfig::new().with_form(form);
        let osft = Osft::split(&layer, &config).unwrap();
        assert_eq!(osft.free_parameters(), free, "{form:?}");
        assert_eq!(osft.trainable_parameters(), trainable, "{form:?}");
        assert_eq!(
            Osft::free_parameters_of(&layer, &config).unwrap(),
            Some(free)
        );
    }
}

#[test]
fn decay_pulls_the_change_or_the_free_part_to_zero() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        for form in FORMS {
            for decay in [Decay::Change, Decay::Weight] {
                let layer = linear(3, 8, 8, &device);
                let start = host(&layer.weight.val().inner());
                let config = OsftConfig::new().with_form(form).with_decay(decay);
                let osft = Osft::split(&layer, &config).unwrap();
                let inner = AdamWConfig::new().with_weight_decay(0.5).build();
                let mut optimizer = osft.optimizer(inner).unwrap();
                let mut layer = osft.prepare(layer).unwrap();
                for _ in 0..5 {
                    let x = Tensor::<2>::ones([2, 8], &device);
                    let loss = (layer.forward(x) * 0.0).sum();
                    let grads = GradientsParams::from_grads(loss.backward(), &layer);
                    layer = optimizer.step(0.1, layer, grads);
                }
                let layer = osft.finish(layer).unwrap();
                let change = host(&layer.weight.val().inner()) - &start;
                let parts = svd(&start);
                let (p, q) = (parts.U().subcols(0, 4), parts.V().subcols(0, 4));
                let protected = (p.transpose() * &start * q).norm_l2();
                let moved = (p.transpose() * &change * q).norm_l2();
                let case = format!("{backend} {form:?} {decay:?}");
                // f32 rounding of the factors' product; otherwise exactly nothing.
                assert!(
                    moved < 1e-6 * protected,
                    "{case}: what is protected decayed"
                );
                match decay {
                    Decay::Change => assert!(change.norm_l2() < 1e-6 * start.norm_l2(), "{case}"),
                    // Five steps with factor 1 - 0.1 · 0.5 leave 0.774 of the free part, and less of a
                    // product of three factors.
                    Decay::Weight if matches!(form, Form::Core | Form::Weight) => {
                        let free = match form {
                            Form::Core => &start - p * (p.transpose() * &start),
                            _ => &start - p * (p.transpose() * &start * q) * q.transpose(),
                        };
                        let lost = 0.95_f64.powi(5) - 1.0;
                        let expected = faer::Scale(lost) * free;
                        assert!((&change - expected).norm_max() < 1e-6, "{case}");
                    }
                    Decay::Weight => assert!(change.norm_l2() > 0.05 * start.norm_l2(), "{case}"),
                }
            }
        }
    }
}

#[test]
fn parameters_beside_the_targets_train_only_if_the_configuration_says_so() {
    let device = Device::flex().autodiff();
    let bias = |model: &Mlp| model.first.bias.as_ref().unwrap().val().inner().into_data();
    for (others, moves) in [(Others::Frozen, false), (Others::Trained, true)] {
        for form in FORMS {
            let model = Mlp::new(9, &device);
            let before = bias(&model);
            let config = OsftConfig::new().with_form(form).with_others(others);
            let osft = Osft::split(&model, &config).unwrap();
            let optimizer = &mut osft.optimizer(adamw()).unwrap();
            let model = train(osft.prepare(model).unwrap(), &osft, optimizer, &device);
            assert_eq!(bias(&model) != before, moves, "{others:?} {form:?}");
            // Training other parameters does not change the guarantee of the targets.
            if form == Form::Core {
                assert!(osft.leaks(&model).unwrap().worst().leak_in < 2e-6);
            }
        }
    }
}

#[test]
fn truncation_leaves_only_the_protected_part() {
    let device = Device::flex();
    let layer = linear(11, 9, 6, &device);
    let start = host(&layer.weight.val());
    let osft = Osft::split(&layer, &OsftConfig::new().with_protected_share(0.5)).unwrap();
    let cut = osft.truncate(layer.clone()).unwrap();
    assert_eq!(cut.weight.id, layer.weight.id);
    let parts = svd(&start);
    let s = parts.S().column_vector();
    let expected = faer::Mat::from_fn(9, 6, |i, j| {
        (0..3)
            .map(|c| parts.U()[(i, c)] * s[c] * parts.V()[(j, c)])
            .sum::<f64>()
    });
    // Sums of three products in f32.
    assert!((host(&cut.weight.val()) - expected).norm_max() < 2e-6);
}

#[test]
fn leaks_agree_with_an_independent_decomposition() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        for form in [Form::Weight, Form::Factored] {
            let model = Mlp::new(12, &device);
            let start = weights_of(&model);
            let osft = Osft::split(&model, &OsftConfig::new().with_form(form)).unwrap();
            let mut optimizer = osft.optimizer(adamw()).unwrap();
            let mut model = osft.prepare(model).unwrap();
            for seed in 0..20 {
                model = step(model, &osft, &mut optimizer, 1e-2, seed, &device);
            }
            // The same during training and after it.
            let training = osft.leaks(&model).unwrap();
            let model = osft.finish(model).unwrap();
            let finished = osft.leaks(&model).unwrap();
            let expected = host_leaks(&start, &weights_of(&model), 0.5);
            for ((training, finished), (input, output)) in
                training.layers.iter().zip(&finished.layers).zip(expected)
            {
                let case = format!("{backend} {form:?} {}", finished.path);
                assert!(input > 1e-2 && output > 1e-2, "{case}");
                for found in [training, finished] {
                    // Bases are f32, and changes are a hundredth of the weights.
                    assert!(
                        (found.leak_in - input).abs() < 1e-5,
                        "{case}: {found:?} {input}"
                    );
                    assert!(
                        (found.leak_out - output).abs() < 1e-5,
                        "{case}: {found:?} {output}"
                    );
                    let change = finished.relative_change;
                    assert!(
                        (found.relative_change / change - 1.0).abs() < 1e-4,
                        "{case}"
                    );
                }
            }
        }
    }
}
