//! What is measured of the inputs, and what the rules for the share make of it.

#![allow(clippy::unwrap_used)]

mod common;

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use common::backends;
use common::host::tensor;
use common::network::{Network, WIDTH, calibrated, energy, inputs, linear, split};
use faer::Mat;
use osft::{
    AdaptiveShare, Calibration, Calibrator, ImportanceMeasure, Osft, OsftConfig, OsftError,
    ShareRule, ShareSchedule, SplitContext, SplitSource,
};

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
