//! Shares and numbers of directions for some of the targets.

use crate::common::network::{Network, calibrated, energy, inputs, observed};
use crate::common::{Mlp, adamw, backends, trained};
use burn::tensor::Device;
use osft::{
    AdaptiveShare, Calibrator, Form, ImportanceMeasure, Osft, OsftConfig, OsftError, ShareRule,
    SplitContext, SplitSource,
};

fn protected(osft: &Osft) -> Vec<[usize; 2]> {
    let layers = osft.layers().iter();
    layers.map(|layer| [layer.k_in, layer.k_out]).collect()
}

#[test]
fn the_first_rule_that_matches_a_target_applies() {
    for (backend, device) in backends() {
        let model = Mlp::new(61, &device);
        let config = OsftConfig::new()
            .with_protected_share(0.25)
            .with_target_share("^first", ShareRule::count(3))
            .with_target_share("first|last", ShareRule::fixed(1.0));
        let osft = Osft::split(&model, &config).unwrap();
        assert_eq!(protected(&osft), [[3, 3], [4, 4], [12, 12]], "{backend}");
        let planned = Osft::held_numbers_of(&model, &config).unwrap().unwrap();
        assert_eq!(osft.held_numbers(), planned, "{backend}");
        let free = Osft::free_parameters_of(&model, &config).unwrap();
        assert_eq!(free, Some(13 * 13 + 12 * 36), "{backend}");
        assert_eq!(free, Some(osft.free_parameters()), "{backend}");
    }
}

#[test]
fn every_target_stays_inside_its_own_free_directions() {
    for (_, device) in backends() {
        let device = device.autodiff();
        for form in [Form::Core, Form::FactoredReprojected] {
            let model = Mlp::new(62, &device);
            let config = OsftConfig::new()
                .with_form(form)
                .with_target_share("middle", ShareRule::count(0))
                .with_target_share("last", ShareRule::energy(0.9));
            let osft = Osft::split(&model, &config).unwrap();
            let [first, middle, last] = protected(&osft)[..] else {
                panic!("three layers");
            };
            assert_eq!((first, middle), ([8, 8], [0, 0]));
            assert!(last[0] > 6 && last[0] < 12, "{last:?}");
            let model = trained(model, &osft, adamw(), 1e-2, 10, &device);
            for leak in osft.leaks(&model).unwrap().layers {
                assert!(leak.leak_in.max(leak.leak_out) < 1e-5, "{form:?}: {leak:?}");
                assert!(leak.relative_change > 1e-3, "{form:?}: {leak:?}");
            }
        }
    }
}

#[test]
fn a_split_reports_and_saves_its_target_shares() {
    let model = Mlp::new(64, &Device::flex());
    let config = OsftConfig::new()
        .with_targets(["first", "last"])
        .with_protected_share(0.3);
    let osft = Osft::split(&model, &config).unwrap();
    assert_eq!(osft.config(), &config);
    assert_eq!(osft.config().targets.patterns(), ["first", "last"]);
    assert!(OsftConfig::new().targets.patterns().is_empty());
    let json = serde_json::to_string(&config).unwrap();
    assert!(json.contains(r#""targets":["first","last"]"#), "{json}");
    assert!(!json.contains("target_shares"), "{json}");
    let default = serde_json::to_string(&OsftConfig::new()).unwrap();
    assert!(
        default.contains(r#""targets":"linear_layers""#),
        "{default}"
    );
    for config in [
        config.clone(),
        OsftConfig::new(),
        config.with_target_share("x", ShareRule::count(2)),
    ] {
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<OsftConfig>(&json).unwrap(), config);
    }
}

#[test]
fn rules_that_fit_no_target_are_errors() {
    let model = Mlp::new(63, &Device::flex());
    let split = |config: &OsftConfig| {
        let planned = Osft::held_numbers_of(&model, config)
            .map(|_| ())
            .unwrap_err();
        let error = Osft::split(&model, config).unwrap_err();
        assert_eq!(planned.to_string(), error.to_string());
        error
    };
    let misspelled = OsftConfig::new().with_target_share("thirst", ShareRule::fixed(0.1));
    assert!(
        matches!(split(&misspelled), OsftError::NoTargetOfShare { pattern, targets }
        if pattern == "thirst" && targets.len() == 3)
    );
    let broken = OsftConfig::new().with_target_share("(", ShareRule::fixed(0.1));
    assert!(matches!(split(&broken), OsftError::InvalidPattern { .. }));
    let outside = OsftConfig::new().with_target_share("first", ShareRule::fixed(1.1));
    assert!(matches!(split(&outside), OsftError::ShareOutOfRange { share } if share == 1.1));
    // The last layer has twelve outputs.
    let many = OsftConfig::new().with_share_rule(ShareRule::count(13));
    let error = split(&many);
    assert!(
        matches!(error, OsftError::TooManyDirections { ref layer, directions: 13, available: 12 }
            if layer == "last.weight"),
        "{error}"
    );
    let all = OsftConfig::new().with_share_rule(ShareRule::count(12));
    assert!(Osft::split(&model, &all).is_ok());
}

#[test]
fn a_count_may_reach_the_number_of_inputs() {
    for (_, device) in backends() {
        let network = Network::new(&device);
        let calibration = calibrated(&network, "base", &[inputs(5, 300, &device)]);
        let context = SplitContext::new().with_calibration(&calibration);
        // Sixteen inputs and six outputs: ten inputs can be protected, but not ten singular directions.
        let config = |split| {
            let config = OsftConfig::new().with_targets(["right"]).with_split(split);
            config.with_share_rule(ShareRule::count(10))
        };
        let osft = Osft::split_in(&network, &config(SplitSource::Inputs), &context).unwrap();
        assert_eq!(protected(&osft), [[10, 0]]);
        for split in [SplitSource::Weights, SplitSource::Both] {
            let error = Osft::split_in(&network, &config(split), &context).unwrap_err();
            assert!(
                matches!(error, OsftError::TooManyDirections { available: 6, .. }),
                "{error}"
            );
        }
    }
}

#[test]
fn a_rule_for_one_target_may_need_a_calibration_that_others_do_not() {
    for (_, device) in backends() {
        let network = Network::new(&device);
        let by = |importance| {
            ShareRule::adaptive(AdaptiveShare {
                importance,
                ..AdaptiveShare::default()
            })
        };
        let config = OsftConfig::new()
            .with_target_share("left", by(ImportanceMeasure::Cosine))
            .with_target_share("right", by(ImportanceMeasure::LinearCka));
        assert!(config.needs_calibration() && !OsftConfig::new().needs_calibration());
        let error = Osft::split(&network, &config).unwrap_err();
        assert!(matches!(error, OsftError::NotCalibrated), "{error}");
        let calibrator = Calibrator::for_config(&network, &config).unwrap();
        let calibration = observed(calibrator, &network, "base", &[inputs(5, 100, &device)]);
        let context = SplitContext::new().with_calibration(&calibration);
        let osft = Osft::split_in(&network, &config, &context).unwrap();
        let importance = |measure, path: &str| {
            let all = calibration.importance(measure).unwrap().unwrap();
            all.into_iter()
                .find(|(of, _)| *of == path)
                .map(|(_, value)| value)
        };
        let found: Vec<_> = osft.layers().iter().map(|layer| layer.importance).collect();
        let expected = [
            importance(ImportanceMeasure::Cosine, "left.weight"),
            importance(ImportanceMeasure::LinearCka, "right.weight"),
            None,
        ];
        assert_eq!(found, expected);
        // The calibration contains one measure only.
        let calibrator = Calibrator::for_config(&network, &energy(0.9)).unwrap();
        let calibrator = calibrator.with_importance(ImportanceMeasure::Cosine);
        let calibration = observed(calibrator, &network, "base", &[inputs(5, 100, &device)]);
        let context = SplitContext::new().with_calibration(&calibration);
        let error = Osft::split_in(&network, &config, &context).unwrap_err();
        assert!(matches!(error, OsftError::NotMeasured { .. }), "{error}");
    }
}
