//! The change over a sequence of tasks since the base, and layers that its bound must not omit.

use crate::common;
use crate::common::backends;

use crate::common::network::{Network, calibrated, energy, inputs, observed, split, train};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use osft::{
    Calibrator, Form, ImportanceMeasure, LayerChange, Osft, OsftConfig, OsftError, ShareRule,
    SinceBase, Targets,
};

#[test]
fn a_change_without_a_bound_is_an_error_and_is_not_recorded() {
    for (_, device) in backends() {
        let device = device.autodiff();
        let network = Network::new(&device);
        let base = calibrated(&network, "base", &[inputs(5, 300, &device)]);
        let targets = Targets::linear_layers();
        let mut since = SinceBase::new(&network, &targets, &base).unwrap();

        let plain = Osft::split(&network, &OsftConfig::new()).unwrap();
        let learned = train(network.clone(), &plain, &device);
        let leaks = plain.leaks(&learned).unwrap();
        match since.record(&leaks, 1.0).unwrap_err() {
            OsftError::Unbounded { layer } => assert_eq!(layer, "left.weight"),
            error => panic!("{error}"),
        }
        let osft = split(&network, &energy(0.9), &base);
        let learned = train(network.clone(), &osft, &device);
        let leaks = osft.leaks(&learned).unwrap();
        for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = since.record(&leaks, weight).unwrap_err();
            assert!(
                matches!(error, OsftError::InvalidSourceWeight { .. }),
                "{error}"
            );
        }
        // A layer that is measured elsewhere is not a target here.
        let only = Targets::matching(["left"]);
        let mut left = SinceBase::new(&network, &only, &base).unwrap();
        match left.record(&leaks, base.weight()).unwrap_err() {
            OsftError::OtherCalibration { layer } => assert_eq!(layer, "right.weight"),
            error => panic!("{error}"),
        }
        let changes: Vec<LayerChange> = since.measure(&learned).unwrap();
        assert!(left.record_measured(&changes).is_err());
        for since in [&since, &left] {
            assert!(
                since.length_bounds().iter().all(|bound| *bound == 0.0),
                "added in part"
            );
        }

        since.record(&leaks, base.weight()).unwrap();
        for change in since.measure(&learned).unwrap() {
            assert!(
                change.outputs.measured <= change.outputs.bound,
                "{change:?}"
            );
        }
        let bounds = since.length_bounds();
        assert!(since.clone().with_length_bounds(&bounds).is_some());
        for broken in [&bounds[1..], &[1.0, f64::NAN, 1.0], &[1.0, -1.0, 1.0]] {
            assert!(
                since.clone().with_length_bounds(broken).is_none(),
                "{broken:?}"
            );
        }
    }
}

#[test]
fn a_change_is_measured_during_training_and_after_weights_were_loaded() {
    for (_, device) in backends() {
        let device = device.autodiff();
        let network = Network::new(&device);
        let base = calibrated(&network, "base", &[inputs(5, 300, &device)]);
        let since = SinceBase::new(&network, &Targets::linear_layers(), &base).unwrap();
        let osft = split(&network, &energy(0.9), &base);
        let learned = train(network, &osft, &device);
        let found = since.measure(&learned).unwrap();
        assert!(found.iter().all(|change| change.outputs.measured > 0.0));
        // Other identities with the same paths; and zero cores attached to the same weights.
        let mut loaded = Network::new(&device);
        for (to, from) in [
            (&mut loaded.left, &learned.left),
            (&mut loaded.right, &learned.right),
            (&mut loaded.top, &learned.top),
        ] {
            to.weight = to.weight.clone().map(|_| from.weight.val());
        }
        assert_ne!(loaded.left.weight.id, learned.left.weight.id);
        assert_eq!(since.measure(&loaded).unwrap(), found);
        let next = split(&learned, &energy(0.9), &base);
        let prepared = next.prepare(learned).unwrap();
        assert_eq!(since.measure(&prepared).unwrap(), found);
        let other = prepared.left.materialize();
        match since.measure(&other).unwrap_err() {
            OsftError::OtherModule { layer, .. } => assert_eq!(layer, "right.weight"),
            error => panic!("{error}"),
        }
    }
}

#[test]
fn attachments_count_as_part_of_the_weights() {
    for (_, device) in backends() {
        let device = device.autodiff();
        let network = Network::new(&device);
        let x = inputs(5, 300, &device);
        let base = calibrated(&network, "base", std::slice::from_ref(&x));
        let config = energy(0.9).with_form(Form::Factored);
        let osft = split(&network, &config, &base);
        let prepared = osft.prepare(network.clone()).unwrap();
        // The stored rest of a factored weight is not the weight.
        let since = SinceBase::new(&prepared, &config.targets, &base).unwrap();
        for change in since.measure(&prepared).unwrap() {
            assert!(change.outputs.measured < 1e-9, "{change:?}");
        }
        let cka = |network: &Network| {
            let calibrator = Calibrator::new(network, &config.targets).unwrap();
            let calibrator = calibrator.with_importance(ImportanceMeasure::LinearCka);
            observed(calibrator, network, "noise", std::slice::from_ref(&x))
        };
        let [plain, attached] = [&network, &prepared].map(cka);
        let importance = |calibration: &osft::Calibration| {
            let scores = calibration
                .importance(ImportanceMeasure::LinearCka)
                .unwrap()
                .unwrap();
            scores
                .into_iter()
                .map(|(_, value)| value)
                .collect::<Vec<_>>()
        };
        for (plain, attached) in importance(&plain).iter().zip(importance(&attached)) {
            assert!((plain - attached).abs() < 1e-5, "{plain} {attached}");
        }
    }
}

#[test]
fn a_base_calibration_of_other_widths_is_refused() {
    let device = Device::flex();
    let network = Network::new(&device);
    let base = calibrated(&network, "base", &[inputs(5, 30, &device)]);
    let mut other = network.clone();
    other.left = common::network::linear(9, 5, 16, &device);
    let error = SinceBase::new(&other, &Targets::linear_layers(), &base).unwrap_err();
    assert!(
        matches!(error, OsftError::OtherCalibration { ref layer } if layer == "left.weight"),
        "{error}"
    );
}

#[test]
fn a_change_that_is_not_finite_is_not_recorded() {
    let device = Device::flex().autodiff();
    let network = Network::new(&device);
    let base = calibrated(&network, "base", &[inputs(5, 300, &device)]);
    let mut since = SinceBase::new(&network, &Targets::linear_layers(), &base).unwrap();
    let osft = split(&network, &energy(0.9), &base);
    let mut broken = network.clone();
    broken.top.weight = broken.top.weight.map(|weight| (weight * f32::NAN).detach());
    let leaks = osft.leaks(&broken).unwrap();
    match since.record(&leaks, base.weight()).unwrap_err() {
        OsftError::Unbounded { layer } => assert_eq!(layer, "top.weight"),
        error => panic!("{error}"),
    }
    let bounds = since.length_bounds();
    assert_eq!(bounds, [0.0; 3], "added in part");
    assert!(since.with_length_bounds(&bounds).is_some());
}

#[test]
fn the_bound_holds_for_inputs_of_few_directions() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        let network = Network::new(&device);
        for directions in [1, 4, 8, 15] {
            let drawn = |seed, rows, columns| {
                let values = common::noise(seed, rows * columns, 1.0);
                Tensor::<2>::from_data(TensorData::new(values, [rows, columns]), &device)
            };
            let x = drawn(4, 200, directions).matmul(drawn(8, directions, 16));
            let base = calibrated(&network, "low", &[x]);
            for rule in [ShareRule::count(directions), ShareRule::energy(1.0)] {
                let config = energy(1.0).with_share_rule(rule.clone());
                let osft = split(&network, &config, &base);
                let targets = Targets::linear_layers();
                let mut since = SinceBase::new(&network, &targets, &base).unwrap();
                let learned = train(network.clone(), &osft, &device);
                let leaks = osft.leaks(&learned).unwrap();
                since.record(&leaks, base.weight()).unwrap();
                let all = leaks.layers.iter().filter_map(|layer| layer.outputs);
                let changes = since.measure(&learned).unwrap();
                for outputs in all.chain(changes.iter().map(|change| change.outputs)) {
                    let case = format!("{backend} {directions} {rule:?}: {outputs:?}");
                    assert!(outputs.measured <= outputs.bound, "{case}");
                }
            }
        }
    }
}

#[test]
fn the_energy_of_inputs_of_any_scale_is_measured() {
    for (backend, device) in backends() {
        let network = Network::new(&device);
        let x = inputs(5, 300, &device);
        let expected = split(
            &network,
            &energy(0.9),
            &calibrated(&network, "x", std::slice::from_ref(&x)),
        );
        for size in [1e-25, 1e20] {
            let calibration = calibrated(&network, "x", &[x.clone() * size]);
            let trace = calibration.moment("left.weight").unwrap().trace();
            assert!(trace > 0.0 && trace.is_finite(), "{backend} {size}");
            let osft = split(&network, &energy(0.9), &calibration);
            for (layer, expected) in osft.layers().iter().zip(expected.layers()) {
                assert_eq!(layer.k_in, expected.k_in, "{backend} {size}");
            }
        }
    }
}
