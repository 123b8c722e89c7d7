//! Scaled input directions: what the optimizer can reach, what bounds it, what is saved and refused.

use crate::common;
use crate::common::host::host;
use crate::common::network::{Network, WIDTH, calibrated, energy, inputs, split, train};
use crate::common::{adamw, backends, noise};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use faer::Mat;
use osft::{
    Combine, Decay, Form, Osft, OsftConfig, OsftError, Scaling, ShareRule, Side, SplitContext,
    SplitSource,
};

const SOFT: [Scaling; 2] = [Scaling::Ridge, Scaling::Scaled];

fn by_inputs(share: f64, scaling: Scaling) -> OsftConfig {
    OsftConfig::new()
        .with_split(SplitSource::Inputs)
        .with_protected_share(share)
        .with_scaling(scaling)
}

/// The basis of the input side, its scales, and the basis without them.
fn scaled(osft: &Osft) -> (Vec<f64>, Mat<f64>) {
    let Side::Scaled(basis) = &osft.layers()[0].constraint.input else {
        panic!("the side is not scaled");
    };
    let basis = host(basis);
    let scales: Vec<f64> = (0..basis.ncols()).map(|j| basis.col(j).norm_l2()).collect();
    let unscaled = Mat::from_fn(basis.nrows(), basis.ncols(), |i, j| {
        basis[(i, j)] / scales[j]
    });
    (scales, unscaled)
}

/// `Σ = E[xᵀ x]` in f64.
fn moment(x: &Tensor<2>) -> Mat<f64> {
    let x = host(&x.clone().inner());
    faer::Scale(1.0 / x.nrows() as f64) * (x.transpose() * &x)
}

fn change(network: &Network, start: &Mat<f64>) -> Mat<f64> {
    host(&network.left.weight.val().inner()) - start
}

#[test]
fn scales_follow_their_formula_and_keep_the_meaning_of_the_share() {
    let device = Device::flex().autodiff();
    let network = Network::new(&device);
    let x = inputs(5, 400, &device);
    let base = calibrated(&network, "base", std::slice::from_ref(&x));
    let sigma = moment(&x);
    for share in [0.25, 0.5, 0.75] {
        let k = (share * WIDTH as f64) as usize;
        for scaling in SOFT {
            let osft = split(&network, &by_inputs(share, scaling), &base);
            let layer = &osft.layers()[0];
            let (scales, basis) = scaled(&osft);
            let gram = basis.transpose() * &basis;
            let identity = Mat::<f64>::identity(gram.nrows(), gram.ncols());
            // The basis is stored in f32.
            assert!((gram - identity).norm_max() < 1e-6, "{scaling:?}");
            let energies: Vec<f64> = (0..basis.ncols())
                .map(|j| (basis.col(j).transpose() * &sigma * basis.col(j)).max(0.0))
                .collect();
            let largest = energies.iter().copied().fold(0.0, f64::max);
            match scaling {
                Scaling::Ridge => {
                    assert_eq!(layer.k_in, 0);
                    let mean = layer.mean_scale.unwrap();
                    assert!((mean - (1.0 - share)).abs() < 1e-9, "{mean}");
                    // One factor for all directions whose energy is above the rounding of an f32 moment.
                    let factors = scales.iter().zip(&energies);
                    let factors = factors.filter(|(_, energy)| **energy > 1e-3 * largest);
                    let factors: Vec<f64> = factors.map(|(p, e)| (1.0 / p - 1.0) / e).collect();
                    assert!(factors.len() > 3);
                    for pair in factors.windows(2) {
                        assert!((pair[0] / pair[1] - 1.0).abs() < 1e-3, "{factors:?}");
                    }
                }
                _ => {
                    // The direction of the largest energy is protected exactly.
                    assert_eq!(layer.k_in, 1);
                    let largest = layer.energies[0].sqrt();
                    for (j, p) in scales.iter().enumerate() {
                        let s = layer.energies[j + 1].sqrt();
                        let importance = 11.0 * s / (10.0 * s + largest);
                        let expected = if j + 1 < k { 1.0 - importance } else { 1.0 };
                        assert!((p - expected).abs() < 1e-6, "{j}: {p} {expected}");
                    }
                }
            }
        }
    }
}

#[test]
fn adamw_cannot_undo_the_scale() {
    const RATE: f64 = 1e-2;
    for (backend, device) in backends() {
        let device = device.autodiff();
        for scaling in SOFT {
            let network = Network::new(&device);
            let base = calibrated(&network, "base", &[inputs(5, 400, &device)]);
            let osft = split(&network, &by_inputs(0.5, scaling), &base);
            let (scales, basis) = scaled(&osft);
            let start = host(&network.left.weight.val().inner());
            let mut optimizer = osft.optimizer(adamw()).unwrap();
            let network = osft.prepare(network).unwrap();
            let x = noise(900, 8 * WIDTH, 1.0);
            let x = Tensor::from_data(TensorData::new(x, [8, WIDTH]), &device);
            let loss = (network.forward(x) - 3.0).square().mean();
            let grads = GradientsParams::from_grads(loss.backward(), &network);
            let network = optimizer.step(RATE, network, osft.project(grads));
            let moved = basis.transpose() * change(&network, &start);
            // AdamW's first step has the size of the learning rate in every coordinate whose gradient is far
            // above its epsilon, 1e-5; f32 rounds the weights to 3e-8.
            let mut counted = 0;
            for i in 0..moved.nrows() {
                for j in 0..moved.ncols() {
                    let found = moved[(i, j)].abs() / RATE;
                    assert!(found < scales[i] + 2e-5, "{backend} {scaling:?}: {found}");
                    counted += usize::from(found > 0.9 * scales[i]);
                }
            }
            assert!(counted > moved.nrows() * moved.ncols() / 2, "{counted}");
        }
    }
}

#[test]
fn the_output_change_stays_below_the_bound_of_the_coordinates() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        for scaling in SOFT {
            let network = Network::new(&device);
            let x = inputs(5, 400, &device);
            let base = calibrated(&network, "base", std::slice::from_ref(&x));
            let osft = split(&network, &by_inputs(0.5, scaling), &base);
            let (scales, basis) = scaled(&osft);
            let start = host(&network.left.weight.val().inner());
            let network = train(network, &osft, &device);
            let change = change(&network, &start);
            let sigma = moment(&x);
            let measured: f64 = {
                let product = &sigma * &change;
                let entries = (0..WIDTH).flat_map(|i| (0..WIDTH).map(move |j| (i, j)));
                entries.map(|at| product[at] * change[at]).sum()
            };
            let core = Mat::from_fn(scales.len(), WIDTH, |i, j| {
                (basis.col(i).transpose() * change.col(j)) / scales[i]
            });
            let reach = (0..scales.len())
                .map(|i| scales[i].powi(2) * (basis.col(i).transpose() * &sigma * basis.col(i)))
                .fold(0.0, f64::max);
            let bound = reach * core.squared_norm_l2();
            let found = osft.leaks(&network).unwrap().layers.remove(0);
            let outputs = found.outputs.unwrap();
            let case = format!("{backend} {scaling:?}: {outputs:?} {measured} {bound}");
            // The moment is a sum of f32 products: its error is relative to all of the inputs' energy, of which
            // the change sees little.
            let energy = sigma.diagonal().column_vector().sum();
            let rounding = 1e-6 * energy * change.squared_norm_l2();
            assert!((outputs.measured - measured).abs() < rounding, "{case}");
            assert!(measured > 0.0 && measured <= bound, "{case}");
            assert!(outputs.measured <= outputs.bound, "{case}");
            // The rounding that the bound allows for: a thousandth of the inputs' length.
            let allowed = (bound.sqrt() + 1.01 * rounding.sqrt()).powi(2);
            assert!(outputs.bound <= allowed * 1.001, "{case} {allowed}");
            // Nothing but the scale 0 is protected, and no leak is reported of what is not.
            assert!(found.leak_in < 1e-5 && found.leak_out == 0.0, "{case}");
            if scaling == Scaling::Ridge {
                let mu = (1.0 / scales[0] - 1.0) / osft.layers()[0].energies[0];
                assert!(reach <= 1.0 / (4.0 * mu) * (1.0 + 1e-5), "{case} {mu}");
            }
        }
    }
}

#[test]
fn the_limits_of_the_scalings_are_plain_training_the_hard_split_and_a_frozen_layer() {
    let device = Device::flex().autodiff();
    let network = Network::new(&device);
    let base = calibrated(&network, "base", &[inputs(5, 400, &device)]);
    for scaling in SOFT {
        let open = split(&network, &by_inputs(0.0, scaling), &base);
        assert!(open.layers()[0].constraint.is_open(), "{scaling:?}");
        let closed = split(&network, &by_inputs(1.0, scaling), &base);
        assert!(closed.layers()[0].constraint.is_closed(), "{scaling:?}");
    }
    let projected = |osft: &Osft| {
        let constraint = &osft.layers()[0].constraint;
        let probe = noise(3, WIDTH * WIDTH, 1.0);
        let probe = TensorData::new(probe, [WIDTH, WIDTH]);
        let probe = Tensor::<2>::from_data(probe, &device.clone().inner());
        host(&constraint.lift(constraint.constrain(constraint.lower(probe))))
    };
    for share in [0.25, 0.75] {
        let hard = split(&network, &by_inputs(share, Scaling::Hard), &base);
        let config = by_inputs(share, Scaling::Scaled);
        // Scales of 1e-6 and below; and too small for any f32, which are protected exactly.
        for alpha in [1e9, 1e30] {
            let scaled = split(&network, &config.clone().with_scaling_alpha(alpha), &base);
            let difference = (projected(&scaled) - projected(&hard)).norm_max();
            assert!(difference < 1e-5, "{alpha}: {difference}");
        }
        let exact = split(&network, &config.with_scaling_alpha(1e30), &base);
        assert_eq!(exact.layers()[0].k_in, hard.layers()[0].k_in);
    }
    // Equal energy along five axes and none elsewhere: the ridge protects the five and leaves the rest free.
    let axes = Mat::from_fn(10, WIDTH, |i, j| match i % 5 == j {
        true if i < 5 => 2.0,
        true => -2.0,
        false => 0.0,
    });
    let base = calibrated(&network, "axes", &[common::host::tensor(&axes, &device)]);
    let ridge = split(&network, &by_inputs(5.0 / 16.0, Scaling::Ridge), &base);
    let hard = split(&network, &by_inputs(5.0 / 16.0, Scaling::Hard), &base);
    assert_eq!((ridge.layers()[0].k_in, hard.layers()[0].k_in), (5, 5));
    assert!((projected(&ridge) - projected(&hard)).norm_max() < 1e-6);
}

#[test]
fn the_product_through_a_scaled_core_equals_the_layer() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        let network = Network::new(&device);
        let base = calibrated(&network, "base", &[inputs(5, 400, &device)]);
        let osft = split(&network, &by_inputs(0.5, Scaling::Ridge), &base);
        let mut optimizer = osft.optimizer(adamw()).unwrap();
        let mut network = osft.prepare(network).unwrap();
        for tokens in [3, 200] {
            let x = noise(tokens, tokens as usize * WIDTH, 1.0);
            let x = TensorData::new(x, [tokens as usize, WIDTH]);
            let x = Tensor::<2>::from_data(x, &device).require_grad();
            let weight = &network.left.weight;
            let core = weight.reparameterization::<osft::FreeCore>().unwrap();
            let derivatives = |y: Tensor<2>| {
                let value = host(&y.clone().inner());
                let grads = y.square().sum().backward();
                let of_x = host(&x.grad(&grads).unwrap());
                [value, of_x, host(&core.core().val().grad(&grads).unwrap())]
            };
            let found = derivatives(Osft::linear(weight, &x).unwrap());
            let expected = derivatives(x.clone().matmul(weight.val()));
            for (found, expected) in found.into_iter().zip(expected) {
                // Sums of a few hundred f32 products in two orders.
                let difference = (&found - &expected).norm_l2() / expected.norm_l2();
                assert!(difference < 2e-5, "{backend} {tokens}: {difference}");
            }
            let loss = network.forward(x.clone()).square().mean();
            let grads = GradientsParams::from_grads(loss.backward(), &network);
            network = optimizer.step(1e-2, network, osft.project(grads));
        }
    }
}

#[test]
fn a_scaled_split_is_saved_counted_and_printed() {
    let device = Device::flex().autodiff();
    let network = Network::new(&device);
    let base = calibrated(&network, "base", &[inputs(5, 400, &device)]);
    let context = SplitContext::new().with_calibration(&base);
    let version = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let at = text.find("format_version").unwrap();
        text[at..].chars().find(char::is_ascii_digit).unwrap()
    };
    let hard = split(&network, &by_inputs(0.5, Scaling::Hard), &base);
    assert_eq!(version(&hard.to_bytes().unwrap()), '3');
    assert!(!hard.to_string().contains("scale"));
    for scaling in SOFT {
        let config = by_inputs(0.5, scaling);
        let osft = split(&network, &config, &base);
        let bytes = osft.to_bytes().unwrap();
        assert_eq!(version(&bytes), '4');
        let loaded = Osft::from_bytes(&bytes, &network, &context).unwrap();
        assert_eq!(loaded.to_bytes().unwrap(), bytes);
        assert_eq!(loaded.summary(), osft.summary());
        let predicted = Osft::held_numbers_of(&network, &config).unwrap().unwrap();
        assert_eq!(predicted, osft.held_numbers(), "{scaling:?}");
        let columns: usize = osft.layers().iter().map(|layer| WIDTH - layer.k_in).sum();
        assert_eq!(predicted.bases, WIDTH * columns);
        let printed = osft.to_string();
        assert!(printed.contains("mean scale"), "{printed}");
        assert!(printed.contains("held back, not protected"), "{printed}");
        let trained = train(Network::new(&device), &osft, &device);
        assert!(matches!(
            osft.truncate(trained),
            Err(OsftError::ScaledDirections { .. })
        ));
    }
}

#[test]
fn settings_that_exclude_each_other_are_refused() {
    let soft = by_inputs(0.5, Scaling::Ridge);
    let union = energy(0.9).with_combine(Combine::Union);
    for (config, word) in [
        (soft.clone().with_form(Form::Weight), "core"),
        (soft.clone().with_form(Form::Factored), "core"),
        (soft.clone().with_split(SplitSource::Weights), "inputs"),
        (soft.clone().with_split(SplitSource::Both), "inputs"),
        (soft.clone().with_decay(Decay::Weight), "decay"),
        (soft.with_scaling_alpha(3.0), "scaling_alpha"),
        (union.clone().with_scaling(Scaling::Ridge), "ridge"),
        (union.clone().with_split(SplitSource::Both), "inputs"),
        (
            union.clone().with_target_share("x", ShareRule::fixed(0.5)),
            "target_shares",
        ),
        (
            union.with_share_rule(ShareRule::adaptive(osft::AdaptiveShare::default())),
            "importance",
        ),
    ] {
        let error = config.validate().unwrap_err();
        assert!(
            matches!(error, OsftError::NotTogether { .. }) && error.to_string().contains(word),
            "{word}: {error}"
        );
    }
    for alpha in [-1.0, f64::NAN, f64::INFINITY] {
        let config = by_inputs(0.5, Scaling::Scaled).with_scaling_alpha(alpha);
        assert!(matches!(
            config.validate(),
            Err(OsftError::InvalidAlpha { .. })
        ));
    }
    // What old files contain, and what new files of old configurations contain.
    let text = serde_json::to_string(&energy(0.9)).unwrap();
    assert!(
        !text.contains("scaling") && !text.contains("combine"),
        "{text}"
    );
    let read: OsftConfig = serde_json::from_str(&text).unwrap();
    assert_eq!(read, energy(0.9));
}
