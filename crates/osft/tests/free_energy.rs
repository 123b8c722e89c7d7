//! The energy of inputs in the free directions of a split, against f64.

use crate::common::host::{host, svd};
use crate::common::network::{Network, WIDTH, calibrated, energy, inputs, observed, split};
use crate::common::{backends, noise};
use burn::module::ParamId;
use burn::tensor::{Device, Tensor, TensorData};
use faer::Mat;
use osft::{
    Calibrator, FreeEnergy, MomentConfig, Osft, OsftConfig, OsftError, Scaling, Side, TokenLength,
};

/// The share of every layer, over batches.
fn measured(network: &Network, osft: &Osft, batches: &[Tensor<2>]) -> Vec<FreeEnergy> {
    let mut meter = osft.free_energy();
    for x in batches {
        let both = [network.left.weight.id, network.right.weight.id];
        meter.observe(x, &both).unwrap();
        let top = network.left.forward(x.clone());
        meter.observe(&top, &[network.top.weight.id]).unwrap();
    }
    meter.finish()
}

fn share(network: &Network, osft: &Osft, x: &Tensor<2>) -> f64 {
    let layers = measured(network, osft, std::slice::from_ref(x));
    assert_eq!(layers[0].path, "left.weight");
    layers[0].share.unwrap()
}

#[test]
fn it_is_the_energy_outside_the_protected_directions() {
    for (backend, device) in backends() {
        let network = Network::new(&device);
        let (seen, others) = (inputs(5, 40, &device), inputs(6, 300, &device));
        for level in [0.0, 0.5, 0.9, 0.99, 1.0] {
            let base = calibrated(&network, "base", std::slice::from_ref(&seen));
            let osft = split(&network, &energy(level), &base);
            let case = format!("{backend}, energy {level}");
            let k = osft.layers()[0].k_in;
            let parts = svd(&host(&seen));
            let protected = Mat::from_fn(WIDTH, k, |i, j| parts.V()[(i, j)]);
            for x in [&seen, &others] {
                let x64 = host(x);
                let inside = (&x64 * &protected).squared_norm_l2();
                let expected = 1.0 - inside / x64.squared_norm_l2();
                let found = share(&network, &osft, x);
                // f32 rounding of inputs and basis, relative to all of the energy.
                assert!(
                    (found - expected).abs() < 1e-6,
                    "{case}: {found} {expected}"
                );
            }
            // In the sample, what the split says of itself.
            let own = 1.0 - osft.layers()[0].protected_input_energy().unwrap();
            assert!((share(&network, &osft, &seen) - own).abs() < 1e-6, "{case}");
            // Batches change nothing but rounding.
            let count = others.dims()[0];
            let parts = [
                others.clone().slice([0..7, 0..WIDTH]),
                others.clone().slice([7..count, 0..WIDTH]),
            ];
            let whole = measured(&network, &osft, std::slice::from_ref(&others));
            let apart = measured(&network, &osft, &parts);
            for (whole, apart) in whole.iter().zip(apart) {
                assert!((whole.share.unwrap() - apart.share.unwrap()).abs() < 1e-6);
            }
        }
    }
}

#[test]
fn scaled_directions_count_by_their_scale_and_sketches_change_nothing() {
    let device = Device::flex();
    let network = Network::new(&device);
    let (seen, others) = (inputs(5, 60, &device), inputs(6, 300, &device));
    for scaling in [Scaling::Ridge, Scaling::Scaled, Scaling::Hard] {
        let config = energy(0.9).with_scaling(scaling);
        let calibrator = Calibrator::new(&network, &OsftConfig::new().targets).unwrap();
        let calibrator = calibrator.with_sketch(WIDTH - 1, 9);
        let base = observed(calibrator, &network, "base", std::slice::from_ref(&seen));
        let osft = split(&network, &config, &base);
        let side = &osft.layers()[0].constraint.input;
        let x = host(&others);
        let free = match side {
            Side::Free(basis) | Side::Scaled(basis) => (&x * host(basis)).squared_norm_l2(),
            Side::Protected(basis) => x.squared_norm_l2() - (&x * host(basis)).squared_norm_l2(),
            Side::Open | Side::Closed => panic!("{scaling:?} protects something, not all"),
        };
        let expected = free / x.squared_norm_l2();
        let found = share(&network, &osft, &others);
        assert!(
            (found - expected).abs() < 1e-6,
            "{scaling:?}: {found} {expected}"
        );
    }
}

#[test]
fn a_small_sample_leaves_much_more_of_other_inputs_free_than_of_its_own() {
    let device = Device::flex();
    let network = Network::new(&device);
    // The same energy in every direction: a sample knows no more of them than it has rows.
    let isotropic = |seed: u64, rows: usize| {
        let values = noise(seed, rows * WIDTH, 1.0);
        Tensor::from_data(TensorData::new(values, [rows, WIDTH]), &device)
    };
    let others = isotropic(6, 4000);
    let ratio = |rows: usize| {
        let seen = isotropic(5, rows);
        let base = calibrated(&network, "base", std::slice::from_ref(&seen));
        let osft = split(&network, &energy(0.9), &base);
        share(&network, &osft, &others) / share(&network, &osft, &seen)
    };
    let [small, large] = [ratio(12), ratio(4000)];
    assert!(small > 2.0, "{small}");
    // One direction is free, the one with the least energy in the sample: a little more is in it elsewhere.
    assert!((1.0..1.25).contains(&large), "{large}");
}

#[test]
fn inputs_count_as_in_the_moment() {
    let device = Device::flex();
    let network = Network::new(&device);
    let x = inputs(5, 60, &device);
    let moment = MomentConfig::default()
        .with_skip_first(1)
        .with_tokens(TokenLength::Unit);
    let config = energy(0.9).with_moment(moment);
    let mut calibrator = Calibrator::for_config(&network, &config).unwrap();
    calibrator.begin_rows(&[20, 40]);
    let base = observed(calibrator, &network, "base", std::slice::from_ref(&x));
    let osft = split(&network, &config, &base);
    let ids = [network.left.weight.id];
    let mut meter = osft.free_energy();
    let error = meter.observe(&x, &ids).unwrap_err();
    assert!(matches!(error, OsftError::OtherRows { .. }), "{error}");
    meter.begin_rows(&[20, 40]);
    meter.observe(&x, &ids).unwrap();
    // What the split says of itself, which was computed from the moment.
    let own = 1.0 - osft.layers()[0].protected_input_energy().unwrap();
    let found = meter.finish()[0].share.unwrap();
    assert!((found - own).abs() < 1e-6, "{found} {own}");
}

#[test]
fn without_inputs_there_is_no_share_and_what_does_not_fit_is_refused() {
    let device = Device::flex();
    let network = Network::new(&device);
    let x = inputs(5, 60, &device);
    let base = calibrated(&network, "base", std::slice::from_ref(&x));
    let osft = split(&network, &energy(0.9), &base);
    assert!(
        osft.free_energy()
            .finish()
            .iter()
            .all(|layer| layer.share.is_none())
    );
    let mut meter = osft.free_energy();
    let ids = [network.left.weight.id];
    meter
        .observe(&Tensor::zeros([3, WIDTH], &device), &ids)
        .unwrap();
    meter
        .observe(&x.clone().slice([0..0, 0..WIDTH]), &ids)
        .unwrap();
    // No target: nothing to add, whatever its shape.
    meter
        .observe(&Tensor::ones([3, 2], &device), &[ParamId::new()])
        .unwrap();
    let error = meter
        .observe(&Tensor::ones([3, 2], &device), &ids)
        .unwrap_err();
    assert!(
        matches!(error, OsftError::OtherObservation { .. }),
        "{error}"
    );
    assert_eq!(meter.finish()[0].share, None);
}
