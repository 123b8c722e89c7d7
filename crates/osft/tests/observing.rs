//! Errors of a calibrator, and layers that a bound since the base must not omit.

use crate::common::backends;

use crate::common::network::{Network, calibrated, inputs, observed};
use burn::module::ParamId;
use burn::nn::{LinearConfig, LinearLayout};
use burn::tensor::{Device, Tensor};
use osft::{Calibrator, ImportanceMeasure, OsftError, Targets};

type Observed = (Tensor<2>, Vec<(ParamId, Tensor<2>)>);

/// The inputs and outputs of the network's two layers that share the input.
fn together(network: &Network, x: &Tensor<2>) -> Observed {
    let outputs = [&network.left, &network.right]
        .map(|layer| (layer.weight.id, layer.forward(x.clone())))
        .to_vec();
    (x.clone(), outputs)
}

#[test]
fn observations_of_wrong_shape_are_errors_and_add_nothing() {
    for (_, device) in backends() {
        let network = Network::new(&device);
        let x = inputs(5, 30, &device);
        let rows = |tensor: &Tensor<2>, rows: usize| {
            let width = tensor.dims()[1];
            tensor.clone().slice([0..rows, 0..width])
        };
        let columns = |tensor: &Tensor<2>, columns: usize| {
            let height = tensor.dims()[0];
            tensor.clone().slice([0..height, 0..columns])
        };
        let (_, outputs) = together(&network, &x);
        let [(left, y), (right, z)] = &outputs[..] else {
            panic!("two layers");
        };
        let other = |result: Result<(), OsftError>| match result.unwrap_err() {
            OsftError::OtherObservation {
                layer,
                what,
                expected,
                found,
            } => (layer, what, expected, found),
            error => panic!("{error}"),
        };
        // In the first call, and in a call after a valid one.
        for before in [0, 1] {
            let mut calibrator = Calibrator::new(&network, &Targets::linear_layers()).unwrap();
            for _ in 0..before {
                calibrator.observe(&x, &outputs).unwrap();
            }
            let name = |of: &str| of.to_string();
            let narrow = calibrator.observe(&columns(&x, 9), &outputs);
            assert_eq!(
                other(narrow),
                (name("left.weight"), "inputs", [30, 16], [30, 9])
            );
            let one_row = [(*left, rows(y, 1)), (*right, z.clone())];
            let found = other(calibrator.observe(&rows(&x, 5), &one_row));
            assert_eq!(found, (name("left.weight"), "outputs", [5, 16], [1, 16]));
            let swapped = [(*left, z.clone()), (*right, y.clone())];
            let found = other(calibrator.observe(&x, &swapped));
            assert_eq!(found, (name("left.weight"), "outputs", [30, 16], [30, 6]));
            // A batch without rows adds nothing, and layers that are not targets are ignored.
            let none = [(*left, rows(y, 0)), (*right, rows(z, 0))];
            calibrator.observe(&rows(&x, 0), &none).unwrap();
            let stranger = [(ParamId::new(), rows(y, 3))];
            calibrator.observe(&x, &stranger).unwrap();

            for _ in before..1 {
                calibrator.observe(&x, &outputs).unwrap();
            }
            let hidden = network.left.forward(x.clone());
            let top = (network.top.weight.id, network.top.forward(hidden.clone()));
            calibrator.observe(&hidden, &[top]).unwrap();
            let found = calibrator.finish("noise", &network).unwrap();
            assert_eq!(
                found,
                calibrated(&network, "noise", std::slice::from_ref(&x))
            );
        }
    }
}

#[test]
fn layers_observed_in_another_group_are_errors() {
    for (_, device) in backends() {
        let network = Network::new(&device);
        let x = inputs(5, 30, &device);
        let (_, outputs) = together(&network, &x);
        let top = (network.top.weight.id, network.top.forward(x.clone()));
        let regrouped = |result: Result<(), OsftError>| match result.unwrap_err() {
            OsftError::Regrouped { layer } => layer,
            error => panic!("{error}"),
        };
        let calibrator = || Calibrator::new(&network, &Targets::linear_layers()).unwrap();

        let mut apart = calibrator();
        apart.observe(&x, &outputs[..1]).unwrap();
        assert_eq!(regrouped(apart.observe(&x, &outputs)), "right.weight");
        let mut together = calibrator();
        together.observe(&x, &outputs).unwrap();
        assert_eq!(
            regrouped(together.observe(&x, &outputs[..1])),
            "right.weight"
        );
        assert_eq!(
            regrouped(together.observe(&x, &outputs[1..])),
            "left.weight"
        );
        let three = [outputs.clone(), vec![top.clone()]].concat();
        assert_eq!(regrouped(together.observe(&x, &three)), "top.weight");
        let mut mixed = calibrator();
        mixed.observe(&x, &outputs[..1]).unwrap();
        mixed.observe(&x, std::slice::from_ref(&top)).unwrap();
        let two = [outputs[0].clone(), top];
        assert_eq!(regrouped(mixed.observe(&x, &two)), "top.weight");
        // Another order is the same group.
        let reordered = [outputs[1].clone(), outputs[0].clone()];
        together.observe(&x, &reordered).unwrap();
    }
}

#[test]
fn sources_count_by_their_weights() {
    for (_, device) in backends() {
        let network = Network::new(&device);
        let one = calibrated(&network, "one", &[inputs(5, 30, &device)]);
        let other = calibrated(&network, "other", &[inputs(6, 30, &device)]);
        let trace = |of: &osft::Calibration| of.moment("left.weight").unwrap().trace();
        let mut both = one.clone().with_weight(3.0).unwrap();
        both.absorb(&other).unwrap();
        let expected = (3.0 * trace(&one) + trace(&other)) / 4.0;
        assert!((trace(&both) / expected - 1.0).abs() < 1e-12);
        let weights =
            |of: &osft::Calibration| of.sources().iter().map(|s| s.weight).collect::<Vec<_>>();
        assert_eq!(weights(&both), [3.0, 1.0]);
        // A calibration that is joined with itself keeps its values, including the mean.
        let mut twice = one.clone();
        twice.absorb(&one).unwrap();
        assert_eq!(twice.moment("left.weight"), one.moment("left.weight"));
        // The joined calibration has the sum of the weights, and each source its part.
        let lighter = both.with_weight(2.0).unwrap();
        assert_eq!(weights(&lighter), [1.5, 0.5]);
        for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = lighter.clone().with_weight(weight).unwrap_err();
            assert!(
                matches!(error, OsftError::InvalidSourceWeight { .. }),
                "{error}"
            );
        }
    }
}

#[test]
fn calibrations_are_joined_by_layer_path_and_not_by_order() {
    for (_, device) in backends() {
        let network = Network::new(&device);
        let one = calibrated(&network, "one", &[inputs(5, 30, &device)]);
        // In reverse order: the top layer first.
        let x = inputs(6, 30, &device);
        let targets = Targets::linear_layers();
        let mut reversed = Calibrator::new(&network, &targets).unwrap();
        let hidden = network.left.forward(x.clone());
        let top = (network.top.weight.id, network.top.forward(hidden.clone()));
        reversed.observe(&hidden, &[top]).unwrap();
        let (_, outputs) = together(&network, &x);
        reversed.observe(&x, &outputs).unwrap();
        let reversed = reversed.finish("turned", &network).unwrap();
        let straight = calibrated(&network, "turned", &[x]);
        let [mut joined, mut expected] = [one.clone(), one.clone()];
        joined.absorb(&reversed).unwrap();
        expected.absorb(&straight).unwrap();
        assert_eq!(joined, expected);

        let sketch = |max, rows| {
            let calibrator = Calibrator::new(&network, &targets).unwrap();
            let x = [inputs(7, 30, &device)];
            observed(calibrator.with_sketch(max, rows), &network, "sketch", &x)
        };
        let before = joined.clone();
        match joined.absorb(&sketch(8, 4)).unwrap_err() {
            OsftError::OtherSketch { layer } => assert_eq!(layer, "left.weight"),
            error => panic!("{error}"),
        }
        assert_eq!(joined, before, "added in part");
        // A layer that one of the calibrations lacks, on either side.
        let only = Targets::matching(["left", "right"]);
        let fewer = Calibrator::new(&network, &only).unwrap();
        let mut fewer = observed(fewer, &network, "fewer", &[inputs(7, 30, &device)]);
        for error in [
            joined.absorb(&fewer).unwrap_err(),
            fewer.absorb(&joined).unwrap_err(),
        ] {
            let is_expected = matches!(error, OsftError::OtherCalibration { ref layer }
                if layer == "top.weight");
            assert!(is_expected, "{error}");
        }
    }
}

#[test]
fn an_uninitialized_layer_accepts_observations_in_its_later_shape() {
    for (_, device) in backends() {
        for layout in [LinearLayout::Row, LinearLayout::Col] {
            let layer = LinearConfig::new(16, 6)
                .with_bias(false)
                .with_layout(layout);
            let layer = layer.init(&device);
            let mut calibrator = Calibrator::new(&layer, &Targets::linear_layers()).unwrap();
            let x = inputs(5, 30, &device);
            for _ in 0..2 {
                let seen = [(layer.weight.id, layer.forward(x.clone()))];
                calibrator.observe(&x, &seen).unwrap();
            }
            let y = layer.forward(x.clone());
            let transposed = calibrator.observe(&y, &[(layer.weight.id, x.clone())]);
            assert!(transposed.is_err());
            let calibration = calibrator.finish("noise", &layer).unwrap();
            assert_eq!(calibration.moment("weight").unwrap().dimension(), 16);
        }
    }
}

#[test]
fn outputs_that_are_not_finite_are_refused() {
    let device = Device::flex();
    let network = Network::new(&device);
    let targets = Targets::matching(["left", "right"]);
    let calibrator = Calibrator::new(&network, &targets).unwrap();
    let mut calibrator = calibrator.with_importance(ImportanceMeasure::Cosine);
    let (x, mut outputs) = together(&network, &inputs(5, 30, &device));
    outputs[1].1 = outputs[1].1.clone() * f32::NAN;
    calibrator.observe(&x, &outputs).unwrap();
    match calibrator.finish("noise", &network).unwrap_err() {
        OsftError::NonFiniteInputs { layer } => assert_eq!(layer, "right.weight"),
        error => panic!("{error}"),
    }
}
