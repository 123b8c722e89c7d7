//! What a calibrator refuses, and what a bound since the base does not leave out.

#![allow(clippy::unwrap_used)]

mod common;

use common::backends;

use burn::module::{Module, ParamId};
use burn::nn::{LinearConfig, LinearLayout};
use burn::tensor::{Device, Tensor, TensorData};
use common::network::{Network, calibrated, energy, inputs, observed, split, train};
use osft::{
    Calibrator, Form, ImportanceMeasure, LayerChange, Osft, OsftConfig, OsftError, ShareRule,
    SinceBase, SplitContext, SplitSource, Targets,
};

type Observed = (Tensor<2>, Vec<(ParamId, Tensor<2>)>);

/// What the two layers on the inputs see, of which the network has two.
fn together(network: &Network, x: &Tensor<2>) -> Observed {
    let outputs = [&network.left, &network.right]
        .map(|layer| (layer.weight.id, layer.forward(x.clone())))
        .to_vec();
    (x.clone(), outputs)
}

#[test]
fn observations_that_do_not_fit_are_errors_and_add_nothing() {
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
        // At the first call and after one that fits.
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
            // No row is nothing, and what is no target is ignored.
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
fn layers_that_change_their_company_are_errors() {
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
        // Another order is the same company.
        let turned = [outputs[1].clone(), outputs[0].clone()];
        together.observe(&x, &turned).unwrap();
    }
}

#[test]
fn a_change_that_nothing_bounds_is_not_recorded_as_none() {
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
        // A layer that is measured elsewhere is no target here.
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
fn a_change_is_measured_while_it_trains_and_where_weights_were_loaded() {
    for (_, device) in backends() {
        let device = device.autodiff();
        let network = Network::new(&device);
        let base = calibrated(&network, "base", &[inputs(5, 300, &device)]);
        let since = SinceBase::new(&network, &Targets::linear_layers(), &base).unwrap();
        let osft = split(&network, &energy(0.9), &base);
        let learned = train(network, &osft, &device);
        let found = since.measure(&learned).unwrap();
        assert!(found.iter().all(|change| change.outputs.measured > 0.0));
        // Other identities, the same paths; and attached to the same weights, cores of zero.
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
fn a_sketched_calibration_splits_by_what_it_knows() {
    for (_, device) in backends() {
        let network = Network::new(&device);
        let targets = Targets::matching(["left", "right"]);
        let calibrator = Calibrator::new(&network, &targets)
            .unwrap()
            .with_sketch(8, 5);
        let known = observed(calibrator, &network, "noise", &[inputs(5, 300, &device)]);
        // Twelve directions are asked for, five are known: the others are counted as lost.
        let config = energy(0.9).with_share_rule(ShareRule::Count(12));
        let config = config.with_targets(["left", "right"]);
        let context = SplitContext::new().with_calibration(&known);
        let osft = Osft::split_in(&network, &config, &context).unwrap();
        for layer in osft.layers() {
            assert_eq!((layer.k_in, layer.k_out, layer.lost_directions), (5, 0, 7));
        }
        let table = osft.to_string();
        assert!(table.lines().next().unwrap().ends_with("lost"), "{table}");
        let none = Osft::split(&network, &OsftConfig::new())
            .unwrap()
            .to_string();
        assert!(!none.contains("lost"), "{none}");

        // The energies are those of the moment, less what shrinking took from each.
        let exact = calibrated(&network, "noise", &[inputs(5, 300, &device)]);
        let context = SplitContext::new().with_calibration(&exact);
        let exact = Osft::split_in(&network, &config, &context).unwrap();
        let error = known.moment("left.weight").unwrap().sketch_error();
        let [sketched, exact] = [&osft, &exact].map(|of| of.layers()[0].energies.clone());
        assert_eq!((sketched.len(), exact.len()), (5, 16));
        for (sketched, exact) in sketched.iter().zip(exact) {
            assert!(*sketched <= exact + 1e-6 && *sketched >= exact - error - 1e-6);
        }
    }
}

#[test]
fn sources_are_weighed_by_what_they_were_given() {
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
        // Together they weigh what they are given, each its part.
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
fn inputs_that_are_zero_have_no_energy_to_protect() {
    for (_, device) in backends() {
        let network = Network::new(&device);
        let known = calibrated(&network, "zero", &[Tensor::zeros([9, 16], &device)]);
        let context = SplitContext::new().with_calibration(&known);
        let osft = Osft::split_in(&network, &OsftConfig::new(), &context).unwrap();
        for layer in osft.summary() {
            assert_eq!(layer.protected_input_energy, Some(0.0));
        }
        let half = calibrated(&network, "noise", &[inputs(5, 300, &device)]);
        let context = SplitContext::new().with_calibration(&half);
        let config = energy(1.0).with_share_rule(ShareRule::Count(4));
        let osft = Osft::split_in(&network, &config, &context).unwrap();
        let layer = &osft.summary()[0];
        let held: f64 = osft.layers()[0].energies[..4].iter().sum();
        let share = held / half.moment("left.weight").unwrap().trace();
        // Bases are f32 and the energies f64.
        assert!((layer.protected_input_energy.unwrap() - share).abs() < 1e-6);
        assert!((layer.protected_energy - share).abs() < 1e-6);
    }
}

#[test]
fn what_is_attached_counts_as_part_of_the_weights() {
    for (_, device) in backends() {
        let device = device.autodiff();
        let network = Network::new(&device);
        let x = inputs(5, 300, &device);
        let base = calibrated(&network, "base", std::slice::from_ref(&x));
        let config = energy(0.9).with_form(Form::Factored);
        let osft = split(&network, &config, &base);
        let prepared = osft.prepare(network.clone()).unwrap();
        // What the factors leave of a weight is not the weight.
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
        let of = |known: &osft::Calibration| {
            let found = known
                .importance(ImportanceMeasure::LinearCka)
                .unwrap()
                .unwrap();
            found
                .into_iter()
                .map(|(_, value)| value)
                .collect::<Vec<_>>()
        };
        for (plain, attached) in of(&plain).iter().zip(of(&attached)) {
            assert!((plain - attached).abs() < 1e-5, "{plain} {attached}");
        }
    }
}

#[test]
fn a_base_of_other_widths_is_refused() {
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
fn calibrations_are_joined_by_layer_and_not_by_place() {
    for (_, device) in backends() {
        let network = Network::new(&device);
        let one = calibrated(&network, "one", &[inputs(5, 30, &device)]);
        // The other way round: the top first.
        let x = inputs(6, 30, &device);
        let targets = Targets::linear_layers();
        let mut turned = Calibrator::new(&network, &targets).unwrap();
        let hidden = network.left.forward(x.clone());
        let top = (network.top.weight.id, network.top.forward(hidden.clone()));
        turned.observe(&hidden, &[top]).unwrap();
        let (_, outputs) = together(&network, &x);
        turned.observe(&x, &outputs).unwrap();
        let turned = turned.finish("turned", &network).unwrap();
        let straight = calibrated(&network, "turned", &[x]);
        let [mut joined, mut expected] = [one.clone(), one.clone()];
        joined.absorb(&turned).unwrap();
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
        // A layer that one of them does not know, on either side.
        let only = Targets::matching(["left", "right"]);
        let fewer = Calibrator::new(&network, &only).unwrap();
        let mut fewer = observed(fewer, &network, "fewer", &[inputs(7, 30, &device)]);
        for error in [
            joined.absorb(&fewer).unwrap_err(),
            fewer.absorb(&joined).unwrap_err(),
        ] {
            let known = matches!(error, OsftError::OtherCalibration { ref layer }
                if layer == "top.weight");
            assert!(known, "{error}");
        }
    }
}

#[test]
fn a_sketch_does_not_lower_what_is_to_be_protected_in_silence() {
    let device = Device::flex();
    let network = Network::new(&device);
    let targets = ["left"];
    let calibrator = Calibrator::new(&network, &Targets::matching(targets)).unwrap();
    let known = observed(
        calibrator.with_sketch(8, 4),
        &network,
        "x",
        &[inputs(5, 300, &device)],
    );
    let context = SplitContext::new().with_calibration(&known);
    let split = |config: OsftConfig| {
        Osft::split_in(&network, &config.with_targets(targets), &context).unwrap()
    };
    // Half of sixteen directions are asked for, four are known.
    let both = OsftConfig::new().with_split(SplitSource::Both);
    for rule in [ShareRule::Fixed(0.5), ShareRule::Count(8)] {
        let osft = split(both.clone().with_share_rule(rule));
        let layer = &osft.layers()[0];
        assert_eq!(
            (layer.k_in, layer.k_out, layer.lost_directions),
            (4, 4, 4),
            "{rule:?}"
        );
    }
    let reached = split(energy(0.3));
    assert!(reached.warnings().is_empty(), "{:?}", reached.warnings());
    let missed = split(energy(0.999999));
    let [warning] = missed.warnings() else {
        panic!("{:?}", missed.warnings());
    };
    assert!(
        warning.contains("left.weight knows 4 directions"),
        "{warning}"
    );
    assert!(warning.contains("and not 0.999999"), "{warning}");
}

#[test]
fn a_bound_counts_what_a_sketch_does_not_know_on_both_sides() {
    for (_, device) in backends() {
        let rows: Vec<f32> = (0..40)
            .map(|i| f32::from(u8::from(i % 4 == 0 || i % 4 == 3)))
            .collect();
        let x = Tensor::<2>::from_data(TensorData::new(rows, [20, 2]), &device);
        let diagonal = |first: f32| {
            let values = vec![first, 0.0, 0.0, 1.0];
            Tensor::<2>::from_data(TensorData::new(values, [2, 2]), &device)
        };
        let mut layer = LinearConfig::new(2, 2).with_bias(false).init(&device);
        layer.weight = layer.weight.map(|_| diagonal(2.0));
        let calibrator = Calibrator::new(&layer, &Targets::linear_layers()).unwrap();
        let mut calibrator = calibrator.with_sketch(1, 1);
        let seen = [(layer.weight.id, layer.forward(x.clone()))];
        calibrator.observe(&x, &seen).unwrap();
        let known = calibrator.finish("axes", &layer).unwrap();
        let context = SplitContext::new().with_calibration(&known);
        let osft = Osft::split_in(&layer, &OsftConfig::new(), &context).unwrap();
        assert_eq!(osft.layers()[0].k_in, 1);
        // A change in the protected direction alone.
        layer.weight = layer.weight.map(|_| diagonal(3.0));
        let outputs = osft.leaks(&layer).unwrap().layers[0].outputs.unwrap();
        // Half of the inputs are that direction: they move by one.
        assert!(
            outputs.measured >= 0.5 && outputs.bound >= outputs.measured,
            "{outputs:?}"
        );
    }
}

#[test]
fn a_layer_that_is_not_filled_is_observed_as_it_is_used() {
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
            let turned = calibrator.observe(&y, &[(layer.weight.id, x.clone())]);
            assert!(turned.is_err());
            let known = calibrator.finish("noise", &layer).unwrap();
            assert_eq!(known.moment("weight").unwrap().dimension(), 16);
        }
    }
}

#[test]
fn outputs_that_are_no_numbers_are_refused() {
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

#[test]
fn a_change_that_is_no_number_is_not_recorded() {
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
