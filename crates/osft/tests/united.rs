//! The union of what several sources need: against the published algorithm, trained, saved, refused.

use crate::common::host::{host, tensor};
use crate::common::network::{Network, WIDTH, calibrated, energy, inputs, linear, split, train};
use crate::common::{adamw, noise};
use burn::nn::Linear;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use faer::Mat;
use osft::{
    Calibration, Calibrator, Combine, GrowingEnergy, Osft, OsftConfig, OsftError, Scaling,
    ShareRule, SplitContext, SplitSource,
};
use proptest::prelude::*;

fn union(share: f64) -> OsftConfig {
    energy(share).with_combine(Combine::Union)
}

/// Inputs in a few directions, `[rows, d]`.
fn source(seed: u64, rows: usize, d: usize) -> Mat<f64> {
    let mixing = noise(seed + 7, d * d, 1.0);
    let values = noise(seed, rows * d, 1.0);
    let mixing = Mat::from_fn(d, d, |i, j| {
        f64::from(mixing[i * d + j]) * 0.4_f64.powi(i as i32)
    });
    Mat::from_fn(rows, d, |i, j| f64::from(values[i * d + j])) * mixing
}

fn observed(layer: &Linear, name: &str, x: &Tensor<2>, config: &OsftConfig) -> Calibration {
    let mut calibrator = Calibrator::for_config(layer, config).unwrap();
    let y = layer.forward(x.clone());
    calibrator.observe(x, &[(layer.weight.id, y)]).unwrap();
    calibrator.finish(name, layer).unwrap()
}

/// Gradient Projection Memory on the inputs themselves, in f64.
fn published(sources: &[Mat<f64>], share: f64) -> Mat<f64> {
    let mut basis = Mat::zeros(sources[0].ncols(), 0);
    for rows in sources {
        let inputs = rows.transpose().to_owned();
        let rest = &inputs - &basis * (basis.transpose() * &inputs);
        let total = inputs.squared_norm_l2();
        let parts = rest.thin_svd().unwrap();
        let mut held = total - rest.squared_norm_l2();
        let before = basis.ncols();
        let mut count = 0;
        while held < share * total {
            let value: f64 = parts.S().column_vector()[count];
            held += value * value;
            count += 1;
        }
        basis = Mat::from_fn(basis.nrows(), before + count, |i, j| match j < before {
            true => basis[(i, j)],
            false => parts.U()[(i, j - before)],
        });
    }
    basis
}

/// Five steps of AdamW.
fn stepped(osft: &Osft, layer: Linear, seed: u64, device: &Device) -> Linear {
    let d_in = layer.weight.dims()[0];
    let mut optimizer = osft.optimizer(adamw()).unwrap();
    let mut layer = osft.prepare(layer).unwrap();
    for step in 0..5 {
        let x = noise(seed + step, 8 * d_in, 1.0);
        let x = Tensor::<2>::from_data(TensorData::new(x, [8, d_in]), device);
        let loss = (layer.forward(x) - 3.0).square().mean();
        let grads = GradientsParams::from_grads(loss.backward(), &layer);
        layer = optimizer.step(1e-2, layer, osft.project(grads));
    }
    osft.finish(layer).unwrap()
}

/// Adam-NSCL on the inputs themselves, in f64: the directions that are not in its null space.
fn outside_of_null_space(sources: &[Mat<f64>], threshold: f64) -> Mat<f64> {
    let d = sources[0].ncols();
    let mut covariance = Mat::<f64>::zeros(d, d);
    for rows in sources {
        covariance += rows.transpose() * rows;
    }
    let parts = covariance.svd().unwrap();
    let values: Vec<f64> = (0..d).map(|i| parts.S().column_vector()[i]).collect();
    let held = values
        .iter()
        .filter(|value| **value > threshold * values[d - 1]);
    parts.U().subcols(0, held.count()).to_owned()
}

/// Inputs of a task: four directions of its own with energy, and a hundredth of it in all others, `[rows, d]`.
fn clustered(seed: u64, task: usize, rows: usize, d: usize) -> Mat<f64> {
    let basis = noise(seed, d * d, 1.0);
    let basis = Mat::from_fn(d, d, |i, j| f64::from(basis[i * d + j]));
    let basis = basis.qr().compute_Q();
    let values = noise(seed + 1 + task as u64, rows * d, 1.0);
    let values = Mat::from_fn(rows, d, |i, j| {
        let scale = if j / 4 == task { 1.0 } else { 0.1 };
        scale * f64::from(values[i * d + j])
    });
    values * basis.transpose()
}

/// Where energies are far apart, rounding turns no direction: exact to f32 for both published algorithms.
#[test]
fn a_change_has_no_part_in_what_the_published_algorithms_protect() {
    let device = Device::flex().autodiff();
    let nscl = energy(0.9).with_share_rule(ShareRule::threshold(10.0));
    for (name, config) in [("gpm", union(0.95)), ("adam-nscl", nscl)] {
        for seed in [1, 100, 200] {
            let sources: Vec<Mat<f64>> =
                (0..2).map(|task| clustered(seed, task, 300, 12)).collect();
            let mut layer = linear(seed, 12, 5, &device);
            let mut retained = None;
            for (task, rows) in sources.iter().enumerate() {
                let learned = observed(&layer, "task", &tensor(rows, &device), &config);
                retained = Some(Calibration::joined(retained, learned, &config, task, 2).unwrap());
                let protected = match name {
                    "gpm" => published(&sources[..=task], 0.95),
                    _ => outside_of_null_space(&sources[..=task], 10.0),
                };
                let case = format!("{name} {seed} {task}");
                assert_eq!(protected.ncols(), 4 * (task + 1), "{case}");
                let context = SplitContext::new().with_calibration(retained.as_ref().unwrap());
                let osft = Osft::split_in(&layer, &config, &context).unwrap();
                assert_eq!(osft.layers()[0].k_in, protected.ncols(), "{case}");
                let start = host(&layer.weight.val().inner());
                layer = stepped(&osft, layer, seed, &device);
                let change = host(&layer.weight.val().inner()) - start;
                let inside = (protected.transpose() * &change).norm_l2();
                // Directions of f32 sums whose energies differ by a hundred; weights round to 3e-8.
                let bound = 2e-5 * change.norm_l2() + 1e-6;
                assert!(inside < bound, "{case}: {inside} {bound}");
                assert!(change.norm_l2() > 1e-2, "{case}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_change_after_adamw_is_orthogonal_to_the_published_bases(
        d_in in 3usize..12,
        d_out in 2usize..9,
        share in 0.5_f64..0.95,
        seed in 1u64..1000,
    ) {
        let device = Device::flex().autodiff();
        let mut layer = linear(seed, d_in, d_out, &device);
        let config = union(share);
        let sources: Vec<Mat<f64>> = (0..3).map(|task| source(seed + 50 * task, 40, d_in)).collect();
        let mut retained = None;
        for (task, rows) in sources.iter().enumerate() {
            let learned = observed(&layer, "task", &tensor(rows, &device), &config);
            retained = Some(Calibration::joined(retained, learned, &config, task, 3).unwrap());
            let basis = published(&sources[..=task], share);
            let context = SplitContext::new().with_calibration(retained.as_ref().unwrap());
            let osft = Osft::split_in(&layer, &config, &context).unwrap();
            prop_assert_eq!(osft.layers()[0].k_in, basis.ncols());
            let start = host(&layer.weight.val().inner());
            layer = stepped(&osft, layer, seed, &device);
            let change = host(&layer.weight.val().inner()) - start;
            let inside = basis.transpose() * &change;
            // The moments are sums of f32 products of the inputs: their directions turn by about 1e-7 times the
            // ratio of the largest energy to the smallest protected one, at most some thousand here; weights
            // in f32 round to 3e-8.
            prop_assert!(
                inside.norm_l2() < 2e-3 * change.norm_l2() + 1e-6,
                "{} of {}", inside.norm_l2(), change.norm_l2()
            );
            if basis.ncols() < d_in {
                prop_assert!(change.norm_l2() > 1e-3);
            }
            for rows in &sources[..=task] {
                let moved = (rows * &change).squared_norm_l2();
                let bound = (1.0 - share) * rows.squared_norm_l2() * change.squared_norm_l2();
                // Of f32 moments, as above.
                prop_assert!(moved <= bound * 1.01 + 1e-9, "{} {}", moved, bound);
            }
        }
    }
}

/// Two sources in different directions.
fn two_sources(config: &OsftConfig, device: &Device) -> (Network, Calibration) {
    let network = Network::new(device);
    let first = calibrated(&network, "first", &[inputs(5, 300, device)]);
    let other = tensor(&source(9, 300, WIDTH), device);
    let second = calibrated(&network, "second", &[other]);
    let retained = Calibration::joined(None, first, config, 0, 2).unwrap();
    let retained = Calibration::joined(Some(retained), second, config, 1, 2).unwrap();
    (network, retained)
}

#[test]
fn a_union_of_sources_protects_more_than_each_and_is_saved_bit_for_bit() {
    let device = Device::flex().autodiff();
    for scaling in [Scaling::Hard, Scaling::Scaled] {
        let config = union(0.9).with_scaling(scaling);
        let (network, retained) = two_sources(&config, &device);
        assert_eq!(retained.sources().len(), 2);
        let bytes = retained.to_bytes().unwrap();
        let loaded = Calibration::from_bytes(&bytes).unwrap();
        assert_eq!(loaded, retained);
        assert_eq!(loaded.to_bytes().unwrap(), bytes);
        let osft = split(&network, &config, &loaded);
        let saved = osft.to_bytes().unwrap();
        assert_eq!(
            split(&network, &config, &retained).summary(),
            osft.summary()
        );
        let context = SplitContext::new().with_calibration(&loaded);
        let again = Osft::from_bytes(&saved, &network, &context).unwrap();
        assert_eq!(again.to_bytes().unwrap(), saved);
        let trained = train(network, &osft, &device);
        for layer in osft.leaks(&trained).unwrap().layers {
            let outputs = layer.outputs.unwrap();
            assert!(outputs.measured <= outputs.bound, "{scaling:?} {outputs:?}");
            assert!(layer.leak_in < 1e-5, "{scaling:?} {}", layer.leak_in);
        }
    }
    let config = union(0.9);
    let (network, retained) = two_sources(&config, &device);
    let both = split(&network, &config, &retained).layers()[0].k_in;
    let first = calibrated(&network, "first", &[inputs(5, 300, &device)]);
    let first = Calibration::joined(None, first, &config, 0, 2).unwrap();
    let one = split(&network, &config, &first).layers()[0].k_in;
    assert!(one > 0 && both > one, "{one} {both}");
}

#[test]
fn importance_of_a_direction_that_returns_grows_until_it_is_protected() {
    let device = Device::flex().autodiff();
    let network = Network::new(&device);
    let config = union(0.95)
        .with_scaling(Scaling::Scaled)
        .with_scaling_alpha(1.0);
    let x = inputs(5, 300, &device);
    let mut retained = None;
    let mut means = Vec::new();
    for task in 0..4 {
        let learned = calibrated(&network, "again", std::slice::from_ref(&x));
        let joined = Calibration::joined(retained, learned, &config, task, 4).unwrap();
        let osft = split(&network, &config, &joined);
        means.push(osft.layers()[0].mean_scale.unwrap());
        retained = Some(joined);
    }
    assert!(means.windows(2).all(|pair| pair[1] <= pair[0]), "{means:?}");
    assert!(means[3] < means[0] - 0.01, "{means:?}");
}

#[test]
fn a_growing_energy_adds_directions_of_a_source_that_returns() {
    let device = Device::flex().autodiff();
    let network = Network::new(&device);
    let rule = GrowingEnergy {
        first: 0.4,
        per_task: 0.29,
    };
    let config = union(0.4).with_share_rule(ShareRule::growing_energy(rule));
    let x = inputs(5, 300, &device);
    let mut retained = None;
    let mut counts = Vec::new();
    for task in 0..3 {
        let learned = calibrated(&network, "again", std::slice::from_ref(&x));
        let joined = Calibration::joined(retained, learned, &config, task, 3).unwrap();
        counts.push(split(&network, &config, &joined).layers()[0].k_in);
        retained = Some(joined);
    }
    assert!(counts[0] < counts[1] && counts[1] < counts[2], "{counts:?}");
}

#[test]
fn calibrations_that_do_not_fit_a_union_are_refused() {
    let device = Device::flex().autodiff();
    let config = union(0.9);
    let (network, mut united) = two_sources(&config, &device);
    let mean = calibrated(&network, "mean", &[inputs(5, 300, &device)]);
    let context = SplitContext::new().with_calibration(&mean);
    let refused = Osft::split_in(&network, &config, &context).unwrap_err();
    assert!(matches!(refused, OsftError::NotUnited), "{refused}");
    let joined = Calibration::joined(Some(mean.clone()), mean.clone(), &config, 1, 2);
    assert!(matches!(joined, Err(OsftError::NotUnited)));
    assert!(matches!(united.absorb(&mean), Err(OsftError::United)));
    // The same is known before there is a new source.
    let check =
        |calibration: &Calibration, config: &OsftConfig| calibration.check_joins(config, &network);
    assert!(check(&united, &config).is_ok() && check(&mean, &energy(0.9)).is_ok());
    assert!(matches!(check(&mean, &config), Err(OsftError::NotUnited)));
    assert!(matches!(
        check(&united, &energy(0.9)),
        Err(OsftError::United)
    ));
    let fewer = energy(0.9).with_targets(["left"]);
    let with_gradients = energy(0.9).with_split(SplitSource::InputsAndGradients);
    for other in [fewer, with_gradients] {
        let refused = check(&mean, &other).unwrap_err();
        assert!(
            matches!(refused, OsftError::OtherCalibration { .. }),
            "{refused}"
        );
    }
    // A mean can be read from what was united: it has both.
    let context = SplitContext::new().with_calibration(&united);
    assert!(Osft::split_in(&network, &energy(0.9), &context).is_ok());
    // Before anything is retained, a split protects nothing; without saying so, a calibration is missing.
    let nothing = SplitContext::new().retaining_nothing();
    let osft = Osft::split_in(&network, &config, &nothing).unwrap();
    assert!(osft.layers().iter().all(|layer| layer.constraint.is_open()));
    let missing = Osft::split_in(&network, &config, &SplitContext::new()).unwrap_err();
    assert!(matches!(missing, OsftError::NotCalibrated));
}
