//! Splits that see the inputs: what is measured, what is promised, what is kept.

#![allow(clippy::unwrap_used)]

mod common;

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};
use common::host::{host, svd, tensor};
use common::{backends, noise};
use faer::Mat;
use osft::{
    AdaptiveShare, Calibration, Calibrator, Form, ImportanceMeasure, Osft, OsftConfig, OsftError,
    ShareRule, ShareSchedule, SinceBase, SplitContext, SplitSource,
};

/// Two layers on one input, and a third on what the first makes of it.
#[derive(Module, Debug)]
struct Network {
    left: Linear,
    right: Linear,
    top: Linear,
}

const WIDTH: usize = 16;

fn linear(seed: u64, d_in: usize, d_out: usize, device: &Device) -> Linear {
    let mut linear = LinearConfig::new(d_in, d_out).with_bias(false).init(device);
    let values = noise(seed, d_in * d_out, 0.5);
    linear.weight = Param::from_data(TensorData::new(values, [d_in, d_out]), device);
    linear
}

impl Network {
    fn new(device: &Device) -> Self {
        Self {
            left: linear(1, WIDTH, WIDTH, device),
            right: linear(2, WIDTH, 6, device),
            top: linear(3, WIDTH, 10, device),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.top.forward(self.left.forward(x.clone())).sum_dim(1) + self.right.forward(x).sum_dim(1)
    }

    fn observe(&self, calibrator: &mut Calibrator, x: Tensor<2>) {
        let left = self.left.forward(x.clone());
        let right = self.right.forward(x.clone());
        let outputs = [
            (self.left.weight.id, left.clone()),
            (self.right.weight.id, right),
        ];
        calibrator.observe(&x, &outputs);
        let top = self.top.forward(left.clone());
        calibrator.observe(&left, &[(self.top.weight.id, top)]);
    }
}

/// Inputs with a few large directions, which are not the axes: row `i` of a fixed mixing is scaled
/// by `0.6^i`.
fn inputs(seed: u64, rows: usize, device: &Device) -> Tensor<2> {
    let mixing = noise(77, WIDTH * WIDTH, 1.0);
    let mixing = Mat::from_fn(WIDTH, WIDTH, |i, j| {
        f64::from(mixing[i * WIDTH + j]) * 0.6_f64.powi(i as i32)
    });
    let z = noise(seed, rows * WIDTH, 1.0);
    let z = Mat::from_fn(rows, WIDTH, |i, j| f64::from(z[i * WIDTH + j]));
    tensor(&(z * mixing), device)
}

fn calibrated(network: &Network, name: &str, batches: &[Tensor<2>]) -> Calibration {
    let targets = OsftConfig::new().targets;
    let mut calibrator = Calibrator::new(network, &targets).unwrap();
    for x in batches {
        network.observe(&mut calibrator, x.clone());
    }
    calibrator.finish(name, network).unwrap()
}

fn split(network: &Network, config: &OsftConfig, calibration: &Calibration) -> Osft {
    let context = SplitContext::new().with_calibration(calibration);
    Osft::split_in(network, config, &context).unwrap()
}

fn energy(energy: f64) -> OsftConfig {
    OsftConfig::new()
        .with_split(SplitSource::Inputs)
        .with_share_rule(ShareRule::Energy(energy))
}

/// AdamW towards other outputs on isotropic inputs, which pull in every direction.
fn train(network: Network, osft: &Osft, device: &Device) -> Network {
    let mut optimizer = osft.optimizer(AdamWConfig::new().with_weight_decay(0.0).build());
    let mut network = osft.prepare(network);
    for step in 0..30 {
        let x = noise(900 + step, 8 * WIDTH, 1.0);
        let x = Tensor::from_data(TensorData::new(x, [8, WIDTH]), device);
        let loss = (network.forward(x) - 3.0).square().mean();
        let grads = GradientsParams::from_grads(loss.backward(), &network);
        network = optimizer.step(1e-2, network, osft.project(grads));
    }
    osft.finish(network)
}

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
            // The moment is a sum of f32 products, the mean here one in f64.
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

            // What moved is orthogonal to what is protected; the bound is far below a free change.
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
fn the_bound_holds_where_a_form_leaks_too() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        for form in [Form::Weight, Form::Factored] {
            let network = Network::new(&device);
            let x = inputs(5, 400, &device);
            let base = calibrated(&network, "base", std::slice::from_ref(&x));
            // The weights' split, which knows nothing of the inputs.
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
fn energy_protects_the_fewest_directions_and_their_outputs_do_not_move() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        let network = Network::new(&device);
        let x = inputs(5, 400, &device);
        let base = calibrated(&network, "base", std::slice::from_ref(&x));
        let osft = split(&network, &energy(0.95), &base);
        let layer = &osft.layers()[0];
        let total: f64 = layer.energies.iter().sum();
        let held = |k: usize| layer.energies[..k].iter().sum::<f64>() / total;
        assert!(held(layer.k_in) >= 0.95 && held(layer.k_in - 1) < 0.95);
        assert_eq!((layer.k_out, layer.lost_directions), (0, 0));

        // An input inside the protected span: the top directions of the inputs themselves.
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
fn batches_do_not_change_a_moment_and_shared_inputs_are_held_once() {
    for (backend, device) in backends() {
        let network = Network::new(&device);
        let x = inputs(5, 64, &device);
        let whole = calibrated(&network, "base", std::slice::from_ref(&x));
        let parts: Vec<Tensor<2>> = [0..1, 1..20, 20..21, 21..64]
            .map(|rows| x.clone().slice([rows, 0..WIDTH]))
            .to_vec();
        let parts = calibrated(&network, "base", &parts);
        for path in ["left.weight", "right.weight", "top.weight"] {
            let (a, b) = (whole.moment(path).unwrap(), parts.moment(path).unwrap());
            // Other partial sums of the same f32 products.
            assert!(
                (a.trace() / b.trace() - 1.0).abs() < 1e-6,
                "{backend} {path}"
            );
        }
        let config = energy(0.97);
        let (a, b) = (
            split(&network, &config, &whole),
            split(&network, &config, &parts),
        );
        for (a, b) in a.layers().iter().zip(b.layers()) {
            assert_eq!(a.k_in, b.k_in);
            for (a, b) in a.energies.iter().zip(&b.energies) {
                assert!((a - b).abs() < 1e-6 * b.max(1.0));
            }
        }
        let (left, right) = (whole.moment("left.weight"), whole.moment("right.weight"));
        assert!(std::ptr::eq(left.unwrap(), right.unwrap()), "held twice");
    }
}

#[test]
fn sources_are_averaged_by_weight_each_over_its_own_tokens() {
    let device = Device::flex();
    let network = Network::new(&device);
    let (few, many) = (inputs(5, 20, &device), inputs(6, 500, &device) * 2.0);
    let trace = |c: &Calibration| c.moment("left.weight").unwrap().trace();
    let a = calibrated(&network, "a", &[few]);
    let b = calibrated(&network, "b", &[many]);
    let mut joined = a.clone();
    joined.absorb(&b).unwrap();
    assert!((trace(&joined) / ((trace(&a) + trace(&b)) / 2.0) - 1.0).abs() < 1e-12);
    let names: Vec<&str> = joined.sources().iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(joined.sources()[1].tokens, 500);

    let mut weighted = a.clone().with_weight(3.0).unwrap();
    weighted.absorb(&b).unwrap();
    let expected = (3.0 * trace(&a) + trace(&b)) / 4.0;
    assert!((trace(&weighted) / expected - 1.0).abs() < 1e-12);
    // Three sources in turn weigh as much as each other, and take no more room than one.
    joined.absorb(&a).unwrap();
    let expected = (2.0 * trace(&a) + trace(&b)) / 3.0;
    assert!((trace(&joined) / expected - 1.0).abs() < 1e-12);
    let size = |c: &Calibration| c.to_bytes().unwrap().len();
    assert!(size(&joined) < size(&a) + 500);
    assert!(matches!(
        a.with_weight(0.0),
        Err(OsftError::InvalidSourceWeight { .. })
    ));
}

#[test]
fn both_is_the_weights_split_where_the_inputs_are_isotropic() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        let network = Network::new(&device);
        // Unit vectors both ways: the moment of the first layers' inputs is a multiple of I.
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
            // Two decompositions of the same directions, applied in f32.
            assert!(
                (free(a) - free(b)).norm_max() < 1e-5,
                "{backend} {}",
                a.path
            );
        }
    }
}

#[test]
fn both_protects_outputs_and_reports_inputs_that_do_not_exist() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        let network = Network::new(&device);
        // Inputs of five directions: of eight to be protected, three do not exist.
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
        // f32 rounding of the inputs leaves directions of 1e-7 of the size, which are there.
        assert!(
            left.k_in + left.lost_directions == 8 && left.k_out == 8,
            "{left:?}"
        );
        let start = host(&network.left.weight.val().inner());
        let network = train(network, &osft, &device);
        let worst = osft.leaks(&network).unwrap().worst();
        assert!(
            worst.leak_in < 1e-5 && worst.leak_out < 1e-5,
            "{backend}: {worst:?}"
        );
        // All the energy of the inputs is inside what is protected: their outputs stay.
        let change = host(&network.left.weight.val().inner()) - start;
        let change = (host(&x.inner()) * change).norm_max();
        assert!(change < 1e-4, "{backend}: outputs moved by {change}");
    }
}

#[test]
fn a_sketch_bounds_what_it_does_not_know() {
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
fn what_changed_since_the_base_stays_below_its_bound_over_tasks() {
    let device = Device::flex().autodiff();
    let mut network = Network::new(&device);
    let x = inputs(5, 300, &device);
    let base = calibrated(&network, "base", std::slice::from_ref(&x));
    let config = energy(0.95);
    let mut since = SinceBase::new(&network, &config.targets, &base).unwrap();
    let start = host(&network.left.weight.val().inner());
    let mut known = base.clone();
    for task in 0..3 {
        let osft = split(&network, &config, &known);
        network = train(network, &osft, &device);
        since.record(&osft.leaks(&network).unwrap(), known.weight());
        let learned = calibrated(&network, "task", &[inputs(50 + task, 100, &device)]);
        known.absorb(&learned).unwrap();
    }
    let found = &since.measure(&network).unwrap()[0];
    assert_eq!(found.path, "left.weight");
    let change = host(&network.left.weight.val().inner()) - start;
    let (mean, _) = mean_and_error(&moved(&host(&x.inner()), &change));
    assert!((found.outputs.measured / mean - 1.0).abs() < 1e-4);
    assert!(found.outputs.measured <= found.outputs.bound, "{found:?}");
}

#[test]
fn importance_decides_the_adaptive_share_or_falls_back_with_a_warning() {
    let device = Device::flex();
    let mut network = Network::new(&device);
    // The left layer passes its input on as it is; the right one turns it into its opposite.
    let diagonal = |value: f64, d_out: usize| {
        Mat::from_fn(WIDTH, d_out, |i, j| if i == j { value } else { 0.0 })
    };
    let replace = |layer: &mut Linear, matrix: Mat<f64>| {
        layer.weight = Param::from_tensor(tensor(&matrix, &device));
    };
    replace(&mut network.left, diagonal(1.0, WIDTH));
    replace(&mut network.right, diagonal(-1.0, 6));
    let base = calibrated(&network, "base", &[inputs(5, 50, &device)]);
    for importance in [ImportanceMeasure::Cosine, ImportanceMeasure::LinearCka] {
        let rule = ShareRule::Adaptive(AdaptiveShare {
            importance,
            ..AdaptiveShare::default()
        });
        let config = OsftConfig::new().with_share_rule(rule);
        let osft = split(&network, &config, &base);
        let found: Vec<f64> = osft
            .layers()
            .iter()
            .map(|l| l.importance.unwrap())
            .collect();
        assert!(
            (found.iter().sum::<f64>() / 3.0 - 1.0).abs() < 1e-9,
            "{found:?}"
        );
        assert!(found[0] >= found[1] && found[0] >= found[2], "{found:?}");
        if importance == ImportanceMeasure::Cosine {
            assert_eq!(found[1], 0.0, "a negative cosine counts as 0");
            assert_eq!(osft.layers()[1].k_in, 0);
        }
        for layer in osft.layers() {
            let share = (0.1 + 0.7 * layer.importance.unwrap()).clamp(0.0, 1.0);
            let r = layer.shape[0].min(layer.shape[1]);
            assert_eq!(layer.k_in, (share * r as f64 + 1e-6) as usize, "{layer:?}");
        }
        assert!(osft.warnings().is_empty());
    }
    replace(&mut network.left, diagonal(-1.0, WIDTH));
    let opposite = Mat::from_fn(WIDTH, 10, |i, j| if i == j { -1.0 } else { 0.0 });
    replace(&mut network.top, opposite);
    let base = calibrated(&network, "base", &[inputs(5, 50, &device)]);
    let rule = ShareRule::Adaptive(AdaptiveShare::default());
    let osft = split(&network, &OsftConfig::new().with_share_rule(rule), &base);
    assert_eq!(osft.warnings().len(), 1);
    assert!(osft.to_string().contains("degenerate"));
    assert_eq!(osft.layers()[0].k_in, 12, "0.8 of 16");
}

#[test]
fn a_schedule_follows_the_tasks_and_the_effective_rank_the_spectrum() {
    let device = Device::flex();
    let mut layer = linear(1, WIDTH, WIDTH, &device);
    let rule = ShareRule::Schedule(ShareSchedule {
        first: 0.25,
        last: 0.75,
    });
    let config = OsftConfig::new().with_share_rule(rule);
    for (task, expected) in [(0, 4), (1, 8), (2, 12)] {
        let context = SplitContext::new().for_task(task, 3);
        let osft = Osft::split_in(&layer, &config, &context).unwrap();
        assert_eq!(osft.layers()[0].k_in, expected);
    }
    let five = Mat::from_fn(WIDTH, WIDTH, |i, j| if i == j && i < 5 { 2.0 } else { 0.0 });
    layer.weight = Param::from_tensor(tensor(&five, &device));
    let config = OsftConfig::new().with_share_rule(ShareRule::EffectiveRank);
    assert_eq!(Osft::split(&layer, &config).unwrap().layers()[0].k_in, 5);
}

#[test]
fn what_was_not_measured_is_a_typed_error() {
    let device = Device::flex();
    let network = Network::new(&device);
    let base = calibrated(&network, "base", &[inputs(5, 30, &device)]);
    let adaptive = ShareRule::Adaptive(AdaptiveShare::default());
    for config in [
        energy(0.9),
        OsftConfig::new().with_split(SplitSource::Both),
        OsftConfig::new().with_share_rule(adaptive),
    ] {
        let found = Osft::split(&network, &config);
        assert!(matches!(found, Err(OsftError::NotCalibrated)));
    }
    let other = linear(4, 5, 5, &device);
    let context = SplitContext::new().with_calibration(&base);
    let found = Osft::split_in(&other, &energy(0.9), &context);
    assert!(matches!(found, Err(OsftError::OtherCalibration { .. })));

    let mut calibrator = Calibrator::new(&network, &energy(0.9).targets).unwrap();
    let x = inputs(5, 30, &device);
    let y = network.left.forward(x.clone());
    calibrator.observe(&x, &[(network.left.weight.id, y.clone())]);
    match calibrator.finish("base", &network) {
        Err(OsftError::NotObserved { layer }) => assert_eq!(layer, "right.weight"),
        other => panic!("{other:?}"),
    }
    let mut calibrator = Calibrator::new(&network, &energy(0.9).targets).unwrap();
    network.observe(&mut calibrator, x * f32::NAN);
    assert!(matches!(
        calibrator.finish("base", &network),
        Err(OsftError::NonFiniteInputs { .. })
    ));
    let left_only = OsftConfig::new().with_targets(["left.weight"]).targets;
    let mut calibrator = Calibrator::new(&network, &left_only).unwrap();
    network.observe(&mut calibrator, inputs(5, 30, &device));
    let mut base = base;
    let other = calibrator.finish("left", &network).unwrap();
    assert!(matches!(
        base.absorb(&other),
        Err(OsftError::OtherCalibration { .. })
    ));
}
