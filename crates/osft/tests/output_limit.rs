//! A bound on how far training moves the outputs of a layer: kept in every form that has one, and without effect where it
//! is not reached.

use crate::common::host::host;
use crate::common::network::{Network, WIDTH, calibrated, inputs, observed, split};
use crate::common::{adamw, backends, noise};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use osft::{
    Calibrator, Decay, Form, Osft, OsftConfig, OsftError, Scaling, ShareRule, SplitContext,
    SplitSource,
};

/// Rounding of a sum over products in f32.
const ROUNDING: f64 = 1e-4;

fn learned(network: Network, osft: &Osft, rate: f64, steps: u64, device: &Device) -> Network {
    let mut optimizer = osft.optimizer(adamw()).unwrap();
    let mut network = osft.prepare(network).unwrap();
    for step in 0..steps {
        let x = Tensor::from_data(
            TensorData::new(noise(40 + step, 8 * WIDTH, 1.0), [8, WIDTH]),
            device,
        );
        let loss = (network.forward(x) - 3.0).square().mean();
        let grads = GradientsParams::from_grads(loss.backward(), &network);
        network = optimizer.step(rate, network, osft.project(grads));
    }
    network
}

/// The largest change of the outputs of a layer, relative to their size.
fn moved(osft: &Osft, network: &Network) -> f64 {
    let leaks = osft.leaks(network).unwrap();
    let moved = leaks
        .layers
        .iter()
        .map(|leak| leak.outputs.unwrap().relative);
    moved.fold(0.0, |largest: f64, moved| {
        assert!(moved.is_finite());
        largest.max(moved)
    })
}

fn configurations() -> Vec<OsftConfig> {
    let inputs = OsftConfig::new().with_split(SplitSource::Inputs);
    let mut all = Vec::new();
    for share in [0.0, 0.25, 0.75] {
        all.push(inputs.clone().with_protected_share(share));
        for form in [Form::Core, Form::Weight] {
            let weights = OsftConfig::new().with_protected_share(share);
            all.push(weights.with_form(form));
        }
    }
    all.push(inputs.clone().with_share_rule(ShareRule::energy(0.9)));
    all.push(
        inputs
            .clone()
            .with_protected_share(0.25)
            .with_form(Form::Weight),
    );
    let both = OsftConfig::new().with_split(SplitSource::Both);
    all.push(both.with_protected_share(0.25));
    let halved = inputs.with_protected_share(0.5);
    for scaling in [Scaling::Ridge, Scaling::Scaled] {
        all.push(halved.clone().with_scaling(scaling));
    }
    let mut decaying = halved;
    decaying.decay = Decay::Weight;
    all.push(decaying);
    all
}

#[test]
fn outputs_stay_within_the_bound_at_every_rate() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        for config in configurations() {
            let network = Network::new(&device);
            let base = calibrated(&network, "base", &[inputs(5, 400, &device)]);
            let free = split(&network, &config, &base);
            let without = moved(&free, &learned(network.clone(), &free, 0.1, 4, &device));
            for most in [0.02, 0.2] {
                let limited = config.clone().with_max_output_change(most);
                let osft = split(&network, &limited, &base);
                for rate in [1e-4, 0.1] {
                    let case = format!("{backend}, {limited:?}, rate {rate}");
                    let learned = learned(network.clone(), &osft, rate, 4, &device);
                    let moved = moved(&osft, &learned);
                    assert!(moved <= most * (1.0 + ROUNDING), "{case}: {moved}");
                    assert!(moved > 0.0, "{case}");
                    // Where the bound is reached, the last step ends on it.
                    if rate == 0.1 && without > 2.0 * most {
                        assert!(moved > most * 0.5, "{case}: {moved}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_bound_that_is_not_reached_changes_nothing() {
    let device = Device::flex().autodiff();
    for config in configurations() {
        let network = Network::new(&device);
        let base = calibrated(&network, "base", &[inputs(5, 400, &device)]);
        let plain = split(&network, &config, &base);
        // A target without protected directions trains by itself unless it is limited.
        if plain
            .layers()
            .iter()
            .any(|layer| layer.k_in + layer.k_out == 0)
        {
            continue;
        }
        let limited = split(&network, &config.clone().with_max_output_change(1e3), &base);
        let end = |osft: &Osft| {
            let learned = learned(network.clone(), osft, 1e-3, 3, &device);
            host(&osft.finish(learned).unwrap().left.weight.val().inner())
        };
        assert_eq!(end(&plain), end(&limited), "{config:?}");
    }
}

/// Protected energies ten thousand times the free ones, which a side that stores the protected basis must not count.
#[test]
fn large_protected_energies_do_not_hide_small_free_ones() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        let network = Network::new(&device);
        let large = Tensor::from_data(TensorData::new(noise(9, WIDTH, 30.0), [1, WIDTH]), &device);
        let rows = inputs(5, 400, &device);
        let base = calibrated(&network, "base", &[rows + large]);
        let config = OsftConfig::new()
            .with_split(SplitSource::Inputs)
            .with_protected_share(0.2);
        for most in [1e-3, 1e-2] {
            let osft = split(
                &network,
                &config.clone().with_max_output_change(most),
                &base,
            );
            let learned = learned(network.clone(), &osft, 0.1, 4, &device);
            // The measurement computes the change in f32, with a rounding of its protected part.
            let moved = moved(&osft, &learned);
            assert!(moved <= most * 1.01, "{backend}, {most}: {moved}");
            assert!(moved > most * 0.5, "{backend}, {most}: {moved}");
        }
    }
}

#[test]
fn a_sketch_holds_the_bound_with_what_it_may_miss() {
    let device = Device::flex().autodiff();
    let network = Network::new(&device);
    let calibrator = Calibrator::new(&network, &OsftConfig::new().targets).unwrap();
    let calibrator = calibrator.with_sketch(8, 5);
    let base = observed(calibrator, &network, "base", &[inputs(5, 400, &device)]);
    for share in [0.0, 0.2] {
        let config = OsftConfig::new()
            .with_split(SplitSource::Inputs)
            .with_protected_share(share)
            .with_max_output_change(0.05);
        let osft = split(&network, &config, &base);
        let learned = learned(network.clone(), &osft, 0.1, 4, &device);
        let moved = moved(&osft, &learned);
        assert!(
            moved <= 0.05 * (1.0 + ROUNDING) && moved > 0.0,
            "{share}: {moved}"
        );
    }
}

#[test]
fn a_split_without_its_calibration_cannot_hold_the_bound() {
    let device = Device::flex().autodiff();
    let network = Network::new(&device);
    let base = calibrated(&network, "base", &[inputs(5, 400, &device)]);
    let config = OsftConfig::new()
        .with_split(SplitSource::Inputs)
        .with_protected_share(0.25)
        .with_max_output_change(0.05);
    let bytes = split(&network, &config, &base).to_bytes().unwrap();
    let loaded = |context: &SplitContext<'_>| Osft::from_bytes(&bytes, &network, context).unwrap();
    let error = loaded(&SplitContext::new())
        .prepare(network.clone())
        .unwrap_err();
    assert!(
        matches!(error, OsftError::LimitNotCalibrated { .. }),
        "{error}"
    );
    let osft = loaded(&SplitContext::new().with_calibration(&base));
    let learned = learned(network.clone(), &osft, 0.1, 4, &device);
    assert!(moved(&osft, &learned) <= 0.05 * (1.0 + ROUNDING));
}

#[test]
fn the_bound_counts_in_what_a_split_holds() {
    let device = Device::flex().autodiff();
    let network = Network::new(&device);
    let base = calibrated(&network, "base", &[inputs(5, 400, &device)]);
    for share in [0.0, 0.25, 0.75] {
        let config = OsftConfig::new().with_protected_share(share);
        let held = |config: &OsftConfig| {
            let counted = Osft::held_numbers_of(&network, config).unwrap().unwrap();
            assert_eq!(
                counted,
                split(&network, config, &base).held_numbers(),
                "{share}"
            );
            counted
        };
        let (plain, limited) = (
            held(&config),
            held(&config.clone().with_max_output_change(0.1)),
        );
        assert!(limited.bases > plain.bases, "{share}");
    }
}

#[test]
fn a_bound_needs_a_calibration_and_one_coordinate() {
    let device = Device::flex().autodiff();
    let network = Network::new(&device);
    let limited = OsftConfig::new().with_max_output_change(0.1);
    assert!(limited.needs_calibration());
    let error = Osft::split(&network, &limited).unwrap_err();
    assert!(matches!(error, OsftError::NotCalibrated));
    for form in [Form::Factored, Form::FactoredReprojected] {
        let error = limited.clone().with_form(form).validate().unwrap_err();
        assert!(error.to_string().contains("max_output_change"), "{error}");
    }
    for share in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = OsftConfig::new().with_max_output_change(share).validate();
        assert!(matches!(error, Err(OsftError::InvalidOutputChange { .. })));
    }
    // Saved splits and caches of earlier versions do not name it.
    let text = toml::to_string(&OsftConfig::new()).unwrap();
    assert!(!text.contains("max_output_change"), "{text}");
}

#[test]
fn a_file_can_say_that_there_is_no_bound() {
    let read = |value: &str| {
        let text = toml::to_string(&OsftConfig::new()).unwrap();
        toml::from_str::<OsftConfig>(&format!("max_output_change = {value}\n{text}"))
    };
    assert_eq!(read("0.02").unwrap().max_output_change, Some(0.02));
    assert_eq!(read("1").unwrap().max_output_change, Some(1.0));
    assert_eq!(read("\"none\"").unwrap(), OsftConfig::new());
    for wrong in ["\"no\"", "true", "[0.1]"] {
        let error = read(wrong).unwrap_err().to_string();
        assert!(error.contains("\"none\" for no bound"), "{error}");
    }
    // JSON, in which splits are saved.
    for share in [None, Some(0.02)] {
        let config = OsftConfig {
            max_output_change: share,
            ..OsftConfig::new()
        };
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<OsftConfig>(&text).unwrap(), config);
    }
}
