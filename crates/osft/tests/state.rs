//! Saved splits and calibrations: another run takes the same next step, or gets an error that says why it
//! cannot.

use crate::common::{FORMS, Mlp, backends, batch, step, weights_of};
use burn::module::Module;
use burn::optim::AdamWConfig;
use burn::tensor::{Device, Tensor};
use osft::{
    Calibration, Calibrator, ImportanceMeasure, Osft, OsftConfig, OsftError, ShareRule,
    SplitContext, SplitSource,
};

fn calibrate(model: &Mlp, device: &Device, sketch: bool) -> Calibration {
    measured(model, device, sketch, &[])
}

fn measured(
    model: &Mlp,
    device: &Device,
    sketch: bool,
    importance: &[ImportanceMeasure],
) -> Calibration {
    let targets = OsftConfig::new().targets;
    let mut calibrator = Calibrator::new(model, &targets).unwrap();
    if sketch {
        calibrator = calibrator.with_sketch(8, 5);
    }
    for measure in importance {
        calibrator = calibrator.with_importance(*measure);
    }
    for seed in 0..6 {
        let (x, _) = batch(seed, device);
        let mut x: Tensor<2> = x;
        for layer in [&model.first, &model.middle, &model.last] {
            let y = layer.forward(x.clone());
            calibrator
                .observe(&x, &[(layer.weight.id, y.clone())])
                .unwrap();
            x = y.tanh();
        }
    }
    calibrator.finish("noise", model).unwrap()
}

#[test]
fn a_loaded_split_and_optimizer_take_the_same_next_steps() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        for form in FORMS {
            for source in [SplitSource::Weights, SplitSource::Inputs, SplitSource::Both] {
                let case = format!("{backend} {form:?} {source:?}");
                let adamw = || AdamWConfig::new().with_weight_decay(0.01).build();
                let model = Mlp::new(11, &device);
                let calibration = calibrate(&model, &device, false);
                let context = SplitContext::new().with_calibration(&calibration);
                let config = OsftConfig::new().with_form(form).with_split(source);
                let osft = Osft::split_in(&model, &config, &context).unwrap();
                let mut optimizer = osft.optimizer(adamw()).unwrap();
                let mut model = osft.prepare(model).unwrap();
                for seed in 0..5 {
                    model = step(model, &osft, &mut optimizer, 1e-2, seed, &device);
                }
                let split = osft.to_bytes().unwrap();
                let moments = optimizer.into_bytes().unwrap();
                let record = model.clone().into_record();
                for seed in 5..10 {
                    model = step(model, &osft, &mut optimizer, 1e-2, seed, &device);
                }
                let expected = osft.finish(model).unwrap();

                // Another process: a module of the same shape, the split, the factors attached,
                // then the weights and the optimizer's state.
                let fresh = Mlp::new(99, &device);
                let again = Osft::from_bytes(&split, &fresh, &context).unwrap();
                assert_eq!(again.summary(), osft.summary(), "{case}");
                let fresh = again.prepare(fresh).unwrap().load_record(record);
                let again = Osft::from_bytes(&split, &fresh, &context).unwrap();
                let mut optimizer = again
                    .optimizer(adamw())
                    .unwrap()
                    .from_bytes(moments)
                    .unwrap();
                let mut model = fresh;
                for seed in 5..10 {
                    model = step(model, &again, &mut optimizer, 1e-2, seed, &device);
                }
                let found = again.finish(model).unwrap();
                assert_eq!(weights_of(&found), weights_of(&expected), "{case}");
                let leaks = [osft.leaks(&expected).unwrap(), again.leaks(&found).unwrap()];
                assert_eq!(leaks[0], leaks[1], "{case}");
            }
        }
    }
}

#[test]
fn loaded_calibrations_equal_the_saved_ones() {
    for (_, device) in backends() {
        let model = Mlp::new(12, &device);
        let both = [ImportanceMeasure::Cosine, ImportanceMeasure::LinearCka];
        for sketch in [false, true] {
            for importance in [&[][..], &both[..1], &both[1..], &both] {
                let measured = || measured(&model, &device, sketch, importance);
                let mut saved = measured();
                saved.absorb(&measured()).unwrap();
                let read = Calibration::from_bytes(&saved.to_bytes().unwrap()).unwrap();
                assert_eq!(read, saved, "sketch {sketch}, {importance:?}");
            }
        }
    }
}

#[test]
fn unsupported_versions_and_wrong_bytes_are_typed_errors() {
    let device = Device::flex();
    let model = Mlp::new(13, &device);
    let context = SplitContext::new();
    let split = Osft::split(&model, &OsftConfig::new())
        .unwrap()
        .to_bytes()
        .unwrap();
    let calibration = calibrate(&model, &device, false).to_bytes().unwrap();
    let read = |bytes: &[u8]| Osft::from_bytes(bytes, &model, &context).map(|_| ());

    let newer = |bytes: &[u8]| {
        // The header is JSON inside JSON: its quotes are escaped.
        let label = br#"format_version\":"#;
        let place = bytes
            .windows(label.len())
            .position(|window| window == label);
        let mut bytes = bytes.to_vec();
        bytes[place.unwrap() + label.len()] = b'9';
        bytes
    };
    match read(&newer(&split)) {
        Err(error @ OsftError::OtherFormat { found: 9, .. }) => {
            let text = error.to_string();
            assert!(
                text.contains("version 9") && text.contains("reads 4"),
                "{text}"
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        Calibration::from_bytes(&newer(&calibration)),
        Err(OsftError::OtherFormat {
            found: 9,
            supported: 7,
            ..
        })
    ));
    for bytes in [
        &split[..split.len() / 2],
        b"",
        b"no tensors in here",
        &calibration,
    ] {
        assert!(matches!(read(bytes), Err(OsftError::BrokenState { .. })));
    }
    let other = burn::nn::LinearConfig::new(16, 16).init(&device);
    assert!(matches!(
        Osft::from_bytes(&split, &other, &context),
        Err(OsftError::OtherModule { .. })
    ));
}

#[test]
fn a_split_loaded_without_its_calibration_still_measures_leaks() {
    let device = Device::flex().autodiff();
    let model = Mlp::new(14, &device);
    let calibration = calibrate(&model, &device, false);
    let config = OsftConfig::new()
        .with_split(SplitSource::Inputs)
        .with_share_rule(ShareRule::energy(0.9));
    let with = SplitContext::new().with_calibration(&calibration);
    let osft = Osft::split_in(&model, &config, &with).unwrap();
    let bytes = osft.to_bytes().unwrap();
    let bare = Osft::from_bytes(&bytes, &model, &SplitContext::new()).unwrap();
    let leaks = bare.leaks(&model).unwrap();
    assert!(leaks.layers.iter().all(|layer| layer.outputs.is_none()));
    let full = Osft::from_bytes(&bytes, &model, &with).unwrap();
    let leaks = full.leaks(&model).unwrap();
    assert!(leaks.layers.iter().all(|layer| layer.outputs.is_some()));
}

#[test]
fn a_split_loads_only_with_the_calibration_that_it_was_made_with() {
    for (backend, device) in backends() {
        let model = Mlp::new(15, &device);
        let calibration = calibrate(&model, &device, false);
        let config = OsftConfig::new()
            .with_split(SplitSource::Inputs)
            .with_share_rule(ShareRule::energy(0.9));
        let with = SplitContext::new().with_calibration(&calibration);
        let osft = Osft::split_in(&model, &config, &with).unwrap();
        let bytes = osft.to_bytes().unwrap();
        // The calibration changed afterwards, as in a sequence of tasks.
        let mut grown = calibration.clone();
        grown
            .absorb(&calibrate(&Mlp::new(16, &device), &device, false))
            .unwrap();
        let other = SplitContext::new().with_calibration(&grown);
        let error = Osft::from_bytes(&bytes, &model, &other).unwrap_err();
        assert!(
            matches!(error, OsftError::OtherCalibration { ref layer } if layer == "middle.weight"),
            "{backend}: {error}"
        );
        // Loading and saving the split without its calibration loses nothing of it.
        let bare = Osft::from_bytes(&bytes, &model, &SplitContext::new()).unwrap();
        assert_eq!(bare.summary(), osft.summary(), "{backend}");
        let again = Osft::from_bytes(&bare.to_bytes().unwrap(), &model, &with).unwrap();
        let leaks = again.leaks(&model).unwrap();
        assert_eq!(leaks, osft.leaks(&model).unwrap(), "{backend}");
        assert!(
            leaks.layers.iter().all(|layer| layer.outputs.is_some()),
            "{backend}"
        );
    }
}
