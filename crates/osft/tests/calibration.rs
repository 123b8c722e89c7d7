//! Measurements of the inputs, and the shares that the rules derive from them.

use crate::common::backends;
use crate::common::host::{host, tensor};
use crate::common::network::{Network, WIDTH, calibrated, energy, inputs, linear, observed, split};
use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use faer::Mat;
use osft::{
    AdaptiveShare, Calibration, Calibrator, ImportanceMeasure, Osft, OsftConfig, OsftError,
    ShareRule, ShareSchedule, SplitContext, SplitSource,
};

#[test]
fn moments_do_not_depend_on_batches_and_shared_inputs_are_stored_once() {
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
            // The same f32 products in other partial sums.
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
    // Three sources that are joined in turn have equal weights and take no more memory than one.
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

const MEASURES: [ImportanceMeasure; 2] = [ImportanceMeasure::Cosine, ImportanceMeasure::LinearCka];

fn adaptive(importance: ImportanceMeasure) -> OsftConfig {
    OsftConfig::new().with_share_rule(ShareRule::adaptive(AdaptiveShare {
        importance,
        ..AdaptiveShare::default()
    }))
}

/// The calibration of one batch, with the importance that a configuration reads.
fn measured(network: &Network, x: &Tensor<2>, config: &OsftConfig) -> Calibration {
    let calibrator = Calibrator::for_config(network, config).unwrap();
    observed(calibrator, network, "base", std::slice::from_ref(x))
}

#[test]
fn importance_decides_the_adaptive_share_or_falls_back_with_a_warning() {
    let device = Device::flex();
    let mut network = Network::new(&device);
    // The left layer copies its input, the right one negates it.
    let diagonal = |value: f64, d_out: usize| {
        Mat::from_fn(WIDTH, d_out, |i, j| if i == j { value } else { 0.0 })
    };
    let replace = |layer: &mut Linear, matrix: Mat<f64>| {
        layer.weight = Param::from_tensor(tensor(&matrix, &device));
    };
    replace(&mut network.left, diagonal(1.0, WIDTH));
    replace(&mut network.right, diagonal(-1.0, 6));
    let x = inputs(5, 50, &device);
    for importance in MEASURES {
        let config = adaptive(importance);
        let osft = split(&network, &config, &measured(&network, &x, &config));
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
    let config = adaptive(ImportanceMeasure::Cosine);
    let osft = split(&network, &config, &measured(&network, &x, &config));
    assert_eq!(osft.warnings().len(), 1);
    assert!(osft.to_string().contains("degenerate"));
    assert_eq!(osft.layers()[0].k_in, 12, "0.8 of 16");
}

/// Mean over rows of `cos(x, y)`, over the entries that both have.
fn cosine(x: &Mat<f64>, y: &Mat<f64>) -> f64 {
    let r = x.ncols().min(y.ncols());
    let rows = (0..x.nrows()).map(|i| {
        let (x, y) = (x.row(i).subcols(0, r), y.row(i).subcols(0, r));
        (x * y.transpose()) / (x.norm_l2() * y.norm_l2())
    });
    rows.sum::<f64>() / x.nrows() as f64
}

/// `‖YᵀX‖² / (‖XᵀX‖ ‖YᵀY‖)` of centered columns.
fn linear_cka(x: &Mat<f64>, y: &Mat<f64>) -> f64 {
    let centered = |m: &Mat<f64>| {
        let mean = |j: usize| m.col(j).iter().sum::<f64>() / m.nrows() as f64;
        Mat::from_fn(m.nrows(), m.ncols(), |i, j| m[(i, j)] - mean(j))
    };
    let (x, y) = (centered(x), centered(y));
    let size = (x.transpose() * &x).norm_l2() * (y.transpose() * &y).norm_l2();
    (y.transpose() * &x).squared_norm_l2() / size
}

#[test]
fn importance_matches_its_definition() {
    for (backend, device) in backends() {
        let network = Network::new(&device);
        // Not centered, to show whether the mean is subtracted.
        let x = inputs(5, 80, &device) + 0.3;
        let calibrator = Calibrator::new(&network, &OsftConfig::new().targets).unwrap();
        let calibrator = MEASURES
            .into_iter()
            .fold(calibrator, Calibrator::with_importance);
        let batches = [0..30, 30..80].map(|rows| x.clone().slice([rows, 0..WIDTH]));
        let base = observed(calibrator, &network, "base", &batches);

        let x = host(&x);
        let weights = [&network.left, &network.right, &network.top];
        let [left, right, top] = weights.map(|layer| host(&layer.weight.val()));
        let hidden = &x * &left;
        let pairs = [
            (&x, &hidden),
            (&x, &(&x * right)),
            (&hidden, &(&hidden * top)),
        ];
        for (measure, score) in MEASURES.into_iter().zip([cosine, linear_cka]) {
            let scores = pairs.map(|(x, y)| score(x, y).max(0.0));
            let mean = scores.iter().sum::<f64>() / 3.0;
            let found = base.importance(measure).unwrap().unwrap();
            let paths: Vec<&str> = found.iter().map(|(path, _)| *path).collect();
            assert_eq!(paths, ["left.weight", "right.weight", "top.weight"]);
            for ((path, found), score) in found.into_iter().zip(scores) {
                // f32 products and sums of some dozen terms against f64.
                assert!(
                    (found - score / mean).abs() < 1e-5,
                    "{backend} {measure} of {path}: {found}, not {}",
                    score / mean
                );
            }
        }
    }
}

#[test]
fn only_measures_that_a_rule_reads_are_taken_and_a_missing_one_is_an_error() {
    let device = Device::flex();
    let network = Network::new(&device);
    let x = inputs(5, 50, &device);
    let taken = |config: &OsftConfig| {
        let base = measured(&network, &x, config);
        MEASURES.map(|measure| base.importance(measure).is_ok())
    };
    let [cosine, cka] = MEASURES.map(adaptive);
    assert_eq!(taken(&cosine), [true, false]);
    assert_eq!(taken(&cka), [false, true]);
    for other in [energy(0.9), OsftConfig::new()] {
        assert_eq!(taken(&other), [false, false]);
    }

    let split = |base: &Calibration, config: &OsftConfig| {
        let context = SplitContext::new().with_calibration(base);
        Osft::split_in(&network, config, &context).map(|_| ())
    };
    let mut calibration = measured(&network, &x, &cosine);
    split(&calibration, &cosine).unwrap();
    match split(&calibration, &cka) {
        Err(OsftError::NotMeasured { measure }) => {
            assert_eq!(measure, ImportanceMeasure::LinearCka);
        }
        other => panic!("{other:?}"),
    }
    // The latest source decides.
    calibration
        .absorb(&measured(&network, &x, &energy(0.9)))
        .unwrap();
    let found = split(&calibration, &cosine);
    assert!(matches!(found, Err(OsftError::NotMeasured { .. })));
    calibration.absorb(&measured(&network, &x, &cka)).unwrap();
    split(&calibration, &cka).unwrap();
}

#[test]
fn a_schedule_follows_the_tasks_and_the_effective_rank_follows_the_spectrum() {
    let device = Device::flex();
    let mut layer = linear(1, WIDTH, WIDTH, &device);
    let rule = ShareRule::schedule(ShareSchedule {
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
    let config = OsftConfig::new().with_share_rule(ShareRule::effective_rank());
    assert_eq!(Osft::split(&layer, &config).unwrap().layers()[0].k_in, 5);
}

#[test]
fn missing_measurements_are_typed_errors() {
    let device = Device::flex();
    let network = Network::new(&device);
    let base = calibrated(&network, "base", &[inputs(5, 30, &device)]);
    for config in [
        energy(0.9),
        OsftConfig::new().with_split(SplitSource::Both),
        adaptive(ImportanceMeasure::Cosine),
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
    calibrator
        .observe(&x, &[(network.left.weight.id, y.clone())])
        .unwrap();
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
