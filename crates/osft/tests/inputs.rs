//! Splits by the inputs: their bounds, and what is measured.

use crate::common::host::{host, svd, tensor};
use crate::common::network::{Network, WIDTH, calibrated, energy, inputs, split, train};
use crate::common::{backends, noise};
use burn::tensor::{Device, Tensor, TensorData};
use faer::Mat;
use osft::{Calibration, Calibrator, Form, Osft, OsftConfig, SinceBase, SplitContext, SplitSource};

/// Squared lengths of the rows of `x ΔW`.
fn moved(x: &Mat<f64>, change: &Mat<f64>) -> Vec<f64> {
    let y = x * change;
    y.row_iter().map(|row| row.squared_norm_l2()).collect()
}

fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

#[test]
fn the_measured_output_change_is_the_mean_over_the_inputs_and_stays_below_its_bound() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        for form in [Form::Core, Form::Weight, Form::FactoredReprojected] {
            let network = Network::new(&device);
            let x = inputs(5, 400, &device);
            let base = calibrated(&network, "base", std::slice::from_ref(&x));
            let osft = split(&network, &energy(0.95).with_form(form), &base);
            let start = host(&network.left.weight.val().inner());
            let network = train(network, &osft, &device);
            let leaks = osft.leaks(&network).unwrap();
            let change = host(&network.left.weight.val().inner()) - start;
            let found = leaks.layers[0].outputs.unwrap();
            let case = format!("{backend} {form:?}: {found:?}");

            let (mean, _) = mean_and_error(&moved(&host(&x.inner()), &change));
            // The moment is a sum of f32 products, the mean here is computed in f64.
            assert!(
                (found.measured / mean - 1.0).abs() < 1e-4,
                "{case}, mean {mean}"
            );
            assert!(found.measured <= found.bound && found.bound > 0.0, "{case}");

            // Fresh inputs of the same distribution, within five standard errors of two samples.
            let fresh = host(&inputs(6, 4000, &device).inner());
            let (mean, error) = mean_and_error(&moved(&fresh, &change));
            let error = 5.0 * error * (1.0 + (4000.0_f64 / 400.0).sqrt());
            assert!(
                (mean - found.measured).abs() < error,
                "{case}, fresh {mean} ± {error}"
            );
            assert!(mean < found.bound + error, "{case}, fresh {mean}");

            // The change is orthogonal to the protected directions; the bound is far below that of a free
            // change.
            assert!(leaks.worst().leak_in < 1e-5, "{case}");
            assert!(
                leaks
                    .layers
                    .iter()
                    .all(|layer| layer.relative_change > 1e-3)
            );
            let free = found.bound / (1.0 - osft.layers()[0].protected_input_energy().unwrap());
            assert!(found.measured < 0.06 * free, "{case}");
        }
    }
}

#[test]
fn the_bound_holds_for_forms_that_leak_too() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        for form in [Form::Weight, Form::Factored] {
            let network = Network::new(&device);
            let x = inputs(5, 400, &device);
            let base = calibrated(&network, "base", std::slice::from_ref(&x));
            // A split by the weights, which does not depend on the inputs.
            let osft = split(&network, &OsftConfig::new().with_form(form), &base);
            let network = train(network, &osft, &device);
            let leaks = osft.leaks(&network).unwrap();
            assert!(leaks.worst().leak_in > 1e-2, "{backend} {form:?}");
            for layer in leaks.layers {
                let found = layer.outputs.unwrap();
                assert!(
                    found.measured > 0.0 && found.measured <= found.bound,
                    "{found:?}"
                );
            }
        }
    }
}

#[test]
fn an_energy_share_protects_the_fewest_directions_and_their_outputs_do_not_move() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        let network = Network::new(&device);
        let x = inputs(5, 400, &device);
        let base = calibrated(&network, "base", std::slice::from_ref(&x));
        let osft = split(&network, &energy(0.95), &base);
        let layer = &osft.layers()[0];
        let total: f64 = layer.energies.iter().sum();
        let energy_of = |k: usize| layer.energies[..k].iter().sum::<f64>() / total;
        assert!(energy_of(layer.k_in) >= 0.95 && energy_of(layer.k_in - 1) < 0.95);
        assert_eq!((layer.k_out, layer.lost_directions), (0, 0));

        // Inputs inside the protected span: the top directions of the inputs themselves.
        let parts = svd(&host(&x.clone().inner()));
        let inside = Mat::from_fn(layer.k_in, WIDTH, |i, j| parts.V()[(j, i)]);
        let inside = tensor(&inside, &device);
        let before = host(&network.left.forward(inside.clone()).inner());
        let network = train(network, &osft, &device);
        let after = host(&network.left.forward(inside).inner());
        // f32 rounding of sixteen products of numbers below 1.
        assert!((after - before).norm_max() < 3e-6, "{backend}");
    }
}

#[test]
fn for_isotropic_inputs_the_source_both_equals_the_source_weights() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        let network = Network::new(&device);
        // Unit vectors of both signs: the moment of the first layers' inputs is a multiple of I.
        let units = Mat::from_fn(2 * WIDTH, WIDTH, |i, j| match i % WIDTH == j {
            true if i < WIDTH => 1.0,
            true => -1.0,
            false => 0.0,
        });
        let base = calibrated(&network, "units", &[tensor(&units, &device)]);
        let config = OsftConfig::new().with_targets(["left.weight", "right.weight"]);
        let context = SplitContext::new().with_calibration(&base);
        let weights = Osft::split(&network, &config).unwrap();
        let config = config.with_split(SplitSource::Both);
        let both = Osft::split_in(&network, &config, &context).unwrap();
        let probe = noise(3, WIDTH * WIDTH, 1.0);
        for (a, b) in weights.layers().iter().zip(both.layers()) {
            assert_eq!((a.k_in, a.k_out), (b.k_in, b.k_out), "{backend}");
            let [d_in, d_out] = a.shape;
            let probe = TensorData::new(probe[..d_in * d_out].to_vec(), [d_in, d_out]);
            let free = |osft: &osft::LayerSplit| {
                let probe = Tensor::<2>::from_data(probe.clone(), &device.clone().inner());
                let constraint = &osft.constraint;
                host(&constraint.lift(constraint.constrain(constraint.lower(probe))))
            };
            // Rounding of two decompositions of the same directions, applied in f32.
            assert!(
                (free(a) - free(b)).norm_max() < 1e-5,
                "{backend} {}",
                a.path
            );
        }
    }
}

#[test]
fn the_source_both_protects_outputs_and_reports_missing_input_directions() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        let network = Network::new(&device);
        // Inputs of five directions: of the eight that are to be protected, three do not exist.
        let thin = noise(8, 60 * 5, 1.0);
        let across = noise(9, 5 * WIDTH, 1.0);
        let thin = Mat::from_fn(60, 5, |i, j| f64::from(thin[i * 5 + j]));
        let across = Mat::from_fn(5, WIDTH, |i, j| f64::from(across[i * WIDTH + j]));
        let x = tensor(&(thin * across), &device);
        let base = calibrated(&network, "thin", std::slice::from_ref(&x));
        let config = OsftConfig::new()
            .with_split(SplitSource::Both)
            .with_protected_share(0.5);
        let osft = split(&network, &config, &base);
        let left = &osft.layers()[0];
        // f32 rounding of the inputs leaves directions of 1e-7 of the size, which count as existing.
        assert!(
            left.k_in + left.lost_directions == 8 && left.k_out == 8,
            "{left:?}"
        );
        // Inputs along five axes leave no such directions.
        let all = host(&x);
        let axes = Mat::from_fn(60, WIDTH, |i, j| if j < 5 { all[(i, j)] } else { 0.0 });
        let calibration = calibrated(&network, "axes", &[tensor(&axes, &device)]);
        let few = split(&network, &config, &calibration);
        let few = &few.layers()[0];
        assert_eq!((few.k_in, few.lost_directions, few.k_out), (5, 3, 8));
        let start = host(&network.left.weight.val().inner());
        let network = train(network, &osft, &device);
        let worst = osft.leaks(&network).unwrap().worst();
        assert!(
            worst.leak_in < 1e-5 && worst.leak_out < 1e-5,
            "{backend}: {worst:?}"
        );
        // The protected directions carry all energy of the inputs, so their outputs do not move.
        let change = host(&network.left.weight.val().inner()) - start;
        let change = (host(&x.inner()) * change).norm_max();
        assert!(change < 1e-4, "{backend}: outputs moved by {change}");
    }
}

#[test]
fn the_bound_of_a_sketch_includes_the_energy_that_it_misses() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        let network = Network::new(&device);
        let x = inputs(5, 300, &device);
        let config = energy(0.9).with_targets(["left.weight", "right.weight"]);
        let mut calibrator = Calibrator::new(&network, &config.targets)
            .unwrap()
            .with_sketch(8, 6);
        network.observe(&mut calibrator, x.clone());
        let sketched = calibrator.finish("base", &network).unwrap();
        let exact = calibrated(&network, "base", std::slice::from_ref(&x));
        let moment = |c: &Calibration| c.moment("left.weight").unwrap().clone();
        assert!((moment(&sketched).trace() / moment(&exact).trace() - 1.0).abs() < 1e-6);
        assert!(moment(&sketched).sketch_error() > 0.0 && moment(&exact).sketch_error() == 0.0);

        let context = SplitContext::new().with_calibration(&sketched);
        let osft = Osft::split_in(&network, &config, &context).unwrap();
        assert!(osft.layers()[0].k_in <= 6);
        let start = host(&network.left.weight.val().inner());
        let network = train(network, &osft, &device);
        let found = osft.leaks(&network).unwrap().layers[0].outputs.unwrap();
        let change = host(&network.left.weight.val().inner()) - start;
        let (mean, _) = mean_and_error(&moved(&host(&x.inner()), &change));
        assert!(
            found.measured >= mean * (1.0 - 1e-4),
            "{backend}: {found:?}, mean {mean}"
        );
        assert!(mean <= found.bound, "{backend}: {found:?}, mean {mean}");
    }
}

#[test]
fn the_change_since_the_base_stays_below_its_bound_over_tasks() {
    let device = Device::flex().autodiff();
    let mut network = Network::new(&device);
    let x = inputs(5, 300, &device);
    let base = calibrated(&network, "base", std::slice::from_ref(&x));
    let config = energy(0.95);
    let mut since = SinceBase::new(&network, &config.targets, &base).unwrap();
    let start = host(&network.left.weight.val().inner());
    let mut calibration = base.clone();
    for task in 0..3 {
        let osft = split(&network, &config, &calibration);
        network = train(network, &osft, &device);
        since
            .record(&osft.leaks(&network).unwrap(), calibration.weight())
            .unwrap();
        let learned = calibrated(&network, "task", &[inputs(50 + task, 100, &device)]);
        calibration.absorb(&learned).unwrap();
    }
    let found = &since.measure(&network).unwrap()[0];
    assert_eq!(found.path, "left.weight");
    let change = host(&network.left.weight.val().inner()) - start;
    let (mean, _) = mean_and_error(&moved(&host(&x.inner()), &change));
    assert!((found.outputs.measured / mean - 1.0).abs() < 1e-4);
    assert!(found.outputs.measured <= found.outputs.bound, "{found:?}");
}
