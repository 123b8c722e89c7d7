//! Sketches of the inputs: what they measure, and how they report what they miss.

use crate::common::backends;

use crate::common::network::{Network, calibrated, energy, inputs, observed};
use burn::nn::LinearConfig;
use burn::tensor::{Device, Tensor, TensorData};
use osft::{Calibrator, Osft, OsftConfig, ShareRule, SplitContext, SplitSource, Targets};

#[test]
fn a_sketched_calibration_protects_the_directions_that_it_has() {
    for (_, device) in backends() {
        let network = Network::new(&device);
        let targets = Targets::matching(["left", "right"]);
        let calibrator = Calibrator::new(&network, &targets)
            .unwrap()
            .with_sketch(8, 5);
        let calibration = observed(calibrator, &network, "noise", &[inputs(5, 300, &device)]);
        // The rule asks for twelve directions and the sketch has five: the others count as lost.
        let config = energy(0.9).with_share_rule(ShareRule::count(12));
        let config = config.with_targets(["left", "right"]);
        let context = SplitContext::new().with_calibration(&calibration);
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

        // The energies are those of the moment, less the part that shrinking subtracted from each.
        let exact = calibrated(&network, "noise", &[inputs(5, 300, &device)]);
        let context = SplitContext::new().with_calibration(&exact);
        let exact = Osft::split_in(&network, &config, &context).unwrap();
        let error = calibration.moment("left.weight").unwrap().sketch_error();
        let [sketched, exact] = [&osft, &exact].map(|split| split.layers()[0].energies.clone());
        assert_eq!((sketched.len(), exact.len()), (5, 16));
        for (sketched, exact) in sketched.iter().zip(exact) {
            assert!(*sketched <= exact + 1e-6 && *sketched >= exact - error - 1e-6);
        }
    }
}

#[test]
fn zero_inputs_have_no_energy_to_protect() {
    for (_, device) in backends() {
        let network = Network::new(&device);
        let calibration = calibrated(&network, "zero", &[Tensor::zeros([9, 16], &device)]);
        let context = SplitContext::new().with_calibration(&calibration);
        let osft = Osft::split_in(&network, &OsftConfig::new(), &context).unwrap();
        for layer in osft.summary() {
            assert_eq!(layer.protected_input_energy, Some(0.0));
        }
        let half = calibrated(&network, "noise", &[inputs(5, 300, &device)]);
        let context = SplitContext::new().with_calibration(&half);
        let config = energy(1.0).with_share_rule(ShareRule::count(4));
        let osft = Osft::split_in(&network, &config, &context).unwrap();
        let layer = &osft.summary()[0];
        let protected: f64 = osft.layers()[0].energies[..4].iter().sum();
        let share = protected / half.moment("left.weight").unwrap().trace();
        // Bases are f32, energies are f64.
        assert!((layer.protected_input_energy.unwrap() - share).abs() < 1e-6);
        assert!((layer.protected_energy - share).abs() < 1e-6);
    }
}

#[test]
fn a_sketch_with_too_few_directions_causes_a_warning() {
    let device = Device::flex();
    let network = Network::new(&device);
    let targets = ["left"];
    let calibrator = Calibrator::new(&network, &Targets::matching(targets)).unwrap();
    let calibration = observed(
        calibrator.with_sketch(8, 4),
        &network,
        "x",
        &[inputs(5, 300, &device)],
    );
    let context = SplitContext::new().with_calibration(&calibration);
    let split = |config: OsftConfig| {
        Osft::split_in(&network, &config.with_targets(targets), &context).unwrap()
    };
    // The rule asks for half of sixteen directions, and the sketch has four.
    let both = OsftConfig::new().with_split(SplitSource::Both);
    for rule in [ShareRule::fixed(0.5), ShareRule::count(8)] {
        let osft = split(both.clone().with_share_rule(rule.clone()));
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
fn the_bound_includes_the_sketch_error_of_protected_and_free_directions() {
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
        let calibration = calibrator.finish("axes", &layer).unwrap();
        let context = SplitContext::new().with_calibration(&calibration);
        let osft = Osft::split_in(&layer, &OsftConfig::new(), &context).unwrap();
        assert_eq!(osft.layers()[0].k_in, 1);
        // A change in the protected direction only.
        layer.weight = layer.weight.map(|_| diagonal(3.0));
        let outputs = osft.leaks(&layer).unwrap().layers[0].outputs.unwrap();
        // Half of the inputs lie in that direction: they move by one.
        assert!(
            outputs.measured >= 0.5 && outputs.bound >= outputs.measured,
            "{outputs:?}"
        );
    }
}
