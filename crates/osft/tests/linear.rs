//! `Osft::linear`: products and derivatives without a stored weight and without a gradient of the whole
//! weight.

use crate::common::network::{Network, WIDTH, calibrated, energy, inputs, linear, split};
use crate::common::{Mlp, adamw, backends, batch, noise, weights_of};
use burn::module::Module;
use burn::nn::Linear;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{DType, Device, Tensor, TensorData, activation::tanh};
use osft::{BasePrecision, Form, FreeCore, KeptInput, Osft, OsftConfig};
use proptest::prelude::*;

const SHAPES: [[usize; 2]; 4] = [[24, 24], [24, 60], [60, 24], [48, 16]];
/// More tokens than directions, so that weights are formed.
const TOKENS: usize = 400;
/// Fewer tokens, so that they are not.
const FEW_TOKENS: usize = 8;
/// Relative error of sums of a few hundred f32 products in two orders.
const ROUNDING: f32 = 2e-5;

fn difference(left: Tensor<2>, right: Tensor<2>) -> f32 {
    assert_eq!(left.dims(), right.dims());
    let norm = |x: Tensor<2>| x.square().sum().sqrt().into_scalar::<f32>();
    norm(left - right.clone()) / norm(right).max(f32::MIN_POSITIVE)
}

fn rows_of(tokens: usize, seed: u64, width: usize, device: &Device) -> Tensor<3> {
    let values = noise(seed, tokens * width, 1.0);
    Tensor::from_data(TensorData::new(values, [4, tokens / 4, width]), device)
}

fn rows(seed: u64, width: usize, device: &Device) -> Tensor<3> {
    rows_of(TOKENS, seed, width, device)
}

/// The layer with its core moved away from zero: at zero, nothing depends on the factor that multiplies the
/// core.
fn moved(layer: Linear, osft: &Osft, seed: u64) -> Linear {
    let mut optimizer = osft.optimizer(SgdConfig::new().build()).unwrap();
    let [d_in, d_out] = layer.weight.dims();
    let device = layer.weight.val().device();
    let loss = layer.forward(rows(seed, d_in, &device)) - rows(seed + 1, d_out, &device);
    let loss = loss.square().mean();
    let grads = GradientsParams::from_grads(loss.backward(), &layer);
    optimizer.step(0.5, layer, grads)
}

/// A layer that is split and prepared, with its core moved away from zero.
fn prepared(
    seed: u64,
    [d_in, d_out]: [usize; 2],
    share: f64,
    precision: BasePrecision,
    device: &Device,
) -> Linear {
    let layer = linear(seed, d_in, d_out, device);
    let config = OsftConfig::new()
        .with_protected_share(share)
        .with_base_precision(precision);
    let osft = Osft::split(&layer, &config).unwrap();
    moved(osft.prepare(layer).unwrap(), &osft, seed + 5)
}

/// The result, the gradient of `x` and the gradient of the core.
fn derivatives(layer: &Linear, x: &Tensor<3>, y: Tensor<3>, seed: u64) -> [Tensor<2>; 3] {
    let [d_in, d_out] = layer.weight.dims();
    let tokens = x.dims()[0] * x.dims()[1];
    let towards = rows_of(tokens, seed, d_out, &x.device());
    let value = y.clone().inner().reshape([tokens, d_out]);
    let mut gradients = (y * towards).sum().backward();
    let of_x = x.grad_remove(&mut gradients).unwrap();
    assert!(layer.weight.base().grad(&gradients).is_none());
    let gradients = GradientsParams::from_grads(gradients, layer);
    let core = layer.weight.reparameterization::<FreeCore>().unwrap();
    let of_core = gradients.get::<2>(core.core().id).unwrap();
    [value, of_x.reshape([tokens, d_in]), of_core]
}

#[test]
fn derivatives_equal_those_of_the_layer() {
    let precisions = [BasePrecision::Full, BasePrecision::Bf16];
    let backends = backends().into_iter();
    let cases =
        backends.flat_map(|backend| precisions.map(|precision| (backend.clone(), precision)));
    for ((backend, device), precision) in cases {
        // ndarray does not support bf16.
        if (backend, precision) == ("ndarray", BasePrecision::Bf16) {
            continue;
        }
        let device = device.autodiff();
        for (seed, [d_in, d_out]) in SHAPES.into_iter().enumerate() {
            for share in [0.1, 0.3, 0.6, 0.8, 0.95] {
                let seed = 10 * seed as u64;
                let layer = prepared(seed, [d_in, d_out], share, precision, &device);
                for tokens in [FEW_TOKENS, TOKENS] {
                    let x = rows_of(tokens, seed + 1, d_in, &device).require_grad();
                    let whole = derivatives(&layer, &x, layer.forward(x.clone()), seed + 2);
                    for kept in [KeptInput::Whole, KeptInput::Coordinates] {
                        let narrow = Osft::linear_keeping(&layer.weight, &x, kept).unwrap();
                        let narrow = derivatives(&layer, &x, narrow, seed + 2);
                        for (narrow, whole) in narrow.into_iter().zip(whole.clone()) {
                            let difference = difference(narrow, whole);
                            assert!(
                                difference < ROUNDING,
                                "{backend} {d_in}x{d_out} share {share}, {tokens}: {difference:e}"
                            );
                        }
                    }
                }
            }
        }
    }
}

/// Relative error of products of factors that are rounded to bf16, at 2⁻⁸ each, in four products at most.
const ROUNDING_TO_BF16: f32 = 1e-2;

#[test]
fn inputs_in_bf16_have_products_in_bf16_and_a_core_gradient_in_f32() {
    let device = Device::flex().autodiff();
    for (seed, [d_in, d_out]) in SHAPES.into_iter().enumerate() {
        for (share, precision) in [
            (0.1, BasePrecision::Full),
            (0.3, BasePrecision::Bf16),
            (0.6, BasePrecision::Full),
            (0.95, BasePrecision::Bf16),
        ] {
            let seed = 10 * seed as u64;
            let layer = prepared(seed, [d_in, d_out], share, precision, &device);
            for tokens in [FEW_TOKENS, TOKENS] {
                let x = rows_of(tokens, seed + 1, d_in, &device).require_grad();
                let whole = derivatives(&layer, &x, layer.forward(x.clone()), seed + 2);
                for (kept, given) in [
                    (KeptInput::Whole, DType::F32),
                    (KeptInput::Whole, DType::BF16),
                    (KeptInput::Coordinates, DType::F32),
                    (KeptInput::Coordinates, DType::BF16),
                ] {
                    let given = x.clone().cast(given);
                    let y = Osft::linear_in(&layer.weight, &given, kept, DType::BF16).unwrap();
                    assert_eq!(y.dtype(), DType::BF16);
                    let mixed = derivatives(&layer, &x, y.cast(DType::F32), seed + 2);
                    assert_eq!([mixed[1].dtype(), mixed[2].dtype()], [DType::F32; 2]);
                    for (mixed, whole) in mixed.into_iter().zip(whole.clone()) {
                        let difference = difference(mixed, whole);
                        let case =
                            format!("{d_in}x{d_out} share {share}, {tokens}: {difference:e}");
                        assert!(difference < ROUNDING_TO_BF16, "{case}");
                        assert!(difference > 10.0 * ROUNDING, "nothing is rounded: {case}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_one_sided_split_has_the_layers_derivatives() {
    let device = Device::flex().autodiff();
    let network = Network::new(&device);
    let calibration = calibrated(&network, "inputs", &[inputs(5, 200, &device)]);
    // Nearly all of the energy, hence more than half of the directions.
    let osft = split(&network, &energy(0.9999), &calibration);
    let layer = moved(osft.prepare(network.clone()).unwrap().left, &osft, 8);
    let x = rows(3, WIDTH, &device).require_grad();
    let narrow = Osft::linear(&layer.weight, &x).unwrap();
    let narrow = derivatives(&layer, &x, narrow, 4);
    let whole = derivatives(&layer, &x, layer.forward(x.clone()), 4);
    assert!(narrow[2].dims()[0] < WIDTH);
    for (narrow, whole) in narrow.into_iter().zip(whole) {
        assert!(difference(narrow, whole) < ROUNDING);
    }
}

#[test]
fn layers_without_a_core_compute_the_product_themselves() {
    let device = Device::flex().autodiff();
    let layer = linear(1, 24, 24, &device);
    let x = rows(3, 24, &device);
    let prepared = |config: OsftConfig| {
        let osft = Osft::split(&layer, &config).unwrap();
        osft.prepare(layer.clone()).unwrap()
    };
    let share = |share| OsftConfig::new().with_protected_share(share);
    // Everything is free, nothing is free.
    for share in [share(0.0), share(1.0)] {
        assert!(Osft::linear(&prepared(share).weight, &x).is_none());
    }
    for form in [Form::Weight, Form::Factored] {
        let prepared = prepared(share(0.8).with_form(form));
        assert!(Osft::linear(&prepared.weight, &x).is_none());
    }
    // Not prepared, and without autodiff.
    assert!(Osft::linear(&layer.weight, &x).is_none());
    let prepared = prepared(share(0.8)).valid();
    assert!(Osft::linear(&prepared.weight, &x.inner()).is_none());
}

#[test]
fn a_core_trains_through_frozen_inputs_and_inputs_through_a_frozen_core() {
    let device = Device::flex().autodiff();
    let config = OsftConfig::new().with_protected_share(0.8);
    let layer = linear(1, 24, 24, &device);
    let osft = Osft::split(&layer, &config).unwrap();
    let layer = osft.prepare(layer).unwrap();
    let x = rows(3, 24, &device);
    let core = |layer: &Linear| {
        let core = layer.weight.reparameterization::<FreeCore>().unwrap();
        core.core().id
    };
    let y = Osft::linear(&layer.weight, &x).unwrap();
    let gradients = GradientsParams::from_grads(y.sum().backward(), &layer);
    assert!(gradients.get::<2>(core(&layer)).is_some());

    let frozen = layer.clone().freeze();
    let x = x.require_grad();
    let y = Osft::linear(&frozen.weight, &x).unwrap();
    let gradients = y.sum().backward();
    assert!(x.grad(&gradients).is_some());
    let gradients = GradientsParams::from_grads(gradients, &frozen);
    assert!(gradients.get::<2>(core(&frozen)).is_none());
}

/// Half squared error of the test perceptron, whose layers use `Osft::linear` if `narrow` is set.
fn loss(model: &Mlp, narrow: bool, step: u64, device: &Device) -> Tensor<1> {
    let (x, y) = batch(step, device);
    let x = x.repeat(&[20, 1]);
    let apply = |layer: &Linear, x: Tensor<2>| match narrow {
        true => {
            let y = Osft::linear(&layer.weight, &x).unwrap();
            y + layer.bias.as_ref().unwrap().val().unsqueeze()
        }
        false => layer.forward(x),
    };
    let hidden = tanh(apply(&model.middle, tanh(apply(&model.first, x))));
    (apply(&model.last, hidden) - y.repeat(&[20, 1]))
        .square()
        .mean()
}

#[test]
fn training_with_linear_takes_the_same_steps_and_leaks_nothing() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        let train = |narrow| {
            let model = Mlp::new(3, &device);
            let config = OsftConfig::new().with_protected_share(0.8);
            let osft = Osft::split(&model, &config).unwrap();
            let mut optimizer = osft.optimizer(adamw()).unwrap();
            let mut model = osft.prepare(model).unwrap();
            let mut losses = Vec::new();
            for step in 0..20 {
                let loss = loss(&model, narrow, step, &device);
                losses.push(loss.clone().into_scalar::<f32>());
                let grads = GradientsParams::from_grads(loss.backward(), &model);
                model = optimizer.step(1e-2, model, osft.project(grads));
            }
            let worst = osft.leaks(&model).unwrap().worst();
            assert!(worst.leak_in < 5e-6 && worst.leak_out < 5e-6, "{worst:?}");
            (losses, weights_of(&model))
        };
        let ((narrow, _), (whole, _)) = (train(true), train(false));
        assert!(whole[19] < 0.9 * whole[0], "{whole:?}");
        for (narrow, whole) in narrow.iter().zip(&whole) {
            // AdamW divides by gradients near zero, where rounding is not small.
            assert!(
                (narrow - whole).abs() < 1e-4 * whole,
                "{backend}: {narrow} {whole}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn products_of_any_shape_agree_with_the_layer(
        d_in in 2_usize..40,
        d_out in 2_usize..40,
        quarter in 1_usize..30,
        share in 0.3_f64..0.99,
        seed in 0_u64..1000,
    ) {
        let device = Device::flex().autodiff();
        let layer = linear(seed, d_in, d_out, &device);
        let config = OsftConfig::new().with_protected_share(share);
        let osft = Osft::split(&layer, &config).unwrap();
        let layer = moved(osft.prepare(layer).unwrap(), &osft, seed + 5);
        let x = rows_of(4 * quarter, seed + 1, d_in, &device).require_grad();
        let narrow = Osft::linear(&layer.weight, &x);
        // Without protected directions nothing is narrower; only a share of 1 protects everything.
        prop_assert_eq!(narrow.is_some(), osft.layers()[0].k_in > 0);
        if let Some(narrow) = narrow {
            let narrow = derivatives(&layer, &x, narrow, seed + 2);
            let whole = derivatives(&layer, &x, layer.forward(x.clone()), seed + 2);
            for (narrow, whole) in narrow.into_iter().zip(whole) {
                prop_assert!(difference(narrow, whole) < ROUNDING);
            }
        }
    }
}

#[test]
fn the_step_cost_counts_the_products_of_a_step() {
    let device = Device::flex();
    let model = Mlp::new(71, &device);
    let costs = |share: f64, form: Form| {
        let config = OsftConfig::new()
            .with_protected_share(share)
            .with_form(form);
        let osft = Osft::split(&model, &config).unwrap();
        let layers = osft.layers().iter();
        layers
            .map(|layer| layer.step_cost(1000))
            .collect::<Vec<_>>()
    };
    // Forward and backward pass through [16, 16], [16, 40] and [40, 12].
    let passes = [256, 640, 480].map(|weights| 2 * 1000 * weights);
    for share in [0.0, 0.5, 0.8, 1.0] {
        for (cost, passes) in costs(share, Form::Core).into_iter().zip(passes) {
            let cost = cost.unwrap();
            assert_eq!(cost.passes, passes);
            assert_eq!(cost.total(), cost.passes + cost.gradient + cost.core);
            assert_eq!(cost.gradient == 0, share == 1.0, "{cost:?}");
            assert_eq!(cost.core == 0, share == 0.0 || share == 1.0, "{cost:?}");
        }
    }
    // At a share of 0.8, twelve of 16 directions are protected: `(x N)ᵀ (g N)` for a core of four by four,
    // and the weight formed twice.
    let first = costs(0.8, Form::Core)[0].unwrap();
    assert_eq!(first.gradient, 1000 * (2 * 16 * 4 + 4 * 4));
    assert_eq!(first.core, 2 * (16 * 4 * 4 + 16 * 4 * 16));
    assert_eq!(costs(0.5, Form::Factored), [None; 3]);
}
