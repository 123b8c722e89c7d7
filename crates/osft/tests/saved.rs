//! Files of this version and of older ones: loaded, or refused if they were changed.

use crate::common::{Mlp, adamw, backends, batch, trained, weights_of};
use burn::tensor::Device;
use osft::{
    BasePrecision, Calibration, Calibrator, Form, ImportanceMeasure, Osft, OsftConfig, OsftError,
    SplitCache, SplitContext,
};

/// The bytes of a file in `saved/`. All files belong to a perceptron with seed 10. Version 1 was made on
/// ndarray, the others on flex.
macro_rules! saved {
    ($name:literal) => {
        include_bytes!(concat!("saved/", $name, ".safetensors"))
    };
}

type Golden = (Form, BasePrecision, &'static [u8]);

const SPLITS: [[Golden; 4]; 2] = [
    [
        (Form::Core, BasePrecision::Full, saved!("split-2-core")),
        (Form::Weight, BasePrecision::Full, saved!("split-2-weight")),
        (
            Form::Factored,
            BasePrecision::Full,
            saved!("split-2-factored"),
        ),
        (Form::Core, BasePrecision::Bf16, saved!("split-2-bf16")),
    ],
    [
        (Form::Core, BasePrecision::Full, saved!("split-3-core")),
        (Form::Weight, BasePrecision::Full, saved!("split-3-weight")),
        (
            Form::Factored,
            BasePrecision::Full,
            saved!("split-3-factored"),
        ),
        (Form::Core, BasePrecision::Bf16, saved!("split-3-bf16")),
    ],
];

/// For each file: whether the inputs are sketched, which importance was measured, and its name.
const CALIBRATIONS: [(bool, &[ImportanceMeasure], &[u8]); 8] = {
    const BOTH: &[ImportanceMeasure] = &[ImportanceMeasure::Cosine, ImportanceMeasure::LinearCka];
    const COSINE: &[ImportanceMeasure] = &[ImportanceMeasure::Cosine];
    [
        (false, BOTH, saved!("calibration-1")),
        (true, BOTH, saved!("calibration-1-sketch")),
        (false, COSINE, saved!("calibration-2")),
        (true, COSINE, saved!("calibration-2-sketch")),
        (false, COSINE, saved!("calibration-3")),
        (true, COSINE, saved!("calibration-3-sketch")),
        (false, COSINE, saved!("calibration-4")),
        (true, COSINE, saved!("calibration-4-sketch")),
    ]
};

fn model() -> Mlp {
    Mlp::new(10, &Device::flex().autodiff())
}

fn read(bytes: &[u8]) -> Result<Osft, OsftError> {
    Osft::from_bytes(bytes, &model(), &SplitContext::new())
}

#[test]
fn splits_of_every_version_are_loaded_and_train() {
    for (version, splits) in (2..).zip(SPLITS) {
        for (form, precision, bytes) in splits {
            let case = format!("version {version} {form:?} {precision:?}");
            let config = OsftConfig::new()
                .with_form(form)
                .with_base_precision(precision);
            let fresh = Osft::split(&model(), &config).unwrap();
            let osft = read(bytes).unwrap();
            assert_eq!(osft.name(), (version > 2).then_some("golden"), "{case}");
            // The default had another name in version 2.
            assert_eq!(
                osft.config().clone().with_targets(["x"]),
                config.with_targets(["x"])
            );
            assert_eq!(osft.warnings(), fresh.warnings(), "{case}");
            if precision == BasePrecision::Full {
                let worst = osft.leaks(&model()).unwrap().worst();
                assert_eq!(worst.relative_change, 0.0, "{case}");
            }
            for (read, made) in osft.summary().into_iter().zip(fresh.summary()) {
                assert_eq!(
                    (read.path, read.k_in, read.k_out),
                    (made.path, made.k_in, made.k_out)
                );
                // Another processor may sum in another order.
                assert!(
                    (read.protected_energy - made.protected_energy).abs() < 1e-6,
                    "{case}"
                );
            }
            let learned = trained(model(), &osft, adamw(), 1e-2, 3, &Device::flex().autodiff());
            let leak = osft.leaks(&learned).unwrap().worst();
            assert!(leak.relative_change > 1e-3, "{case}");
            if form == Form::Core {
                assert!(leak.leak_in.max(leak.leak_out) < 1e-5, "{case}: {leak:?}");
            }
            let finished = osft.finish(learned).unwrap();
            assert!(
                finished.first.bias.as_ref().unwrap().is_require_grad(),
                "{case}"
            );
            assert_ne!(weights_of(&finished), weights_of(&model()), "{case}");
        }
    }
}

fn measured(sketch: bool, importance: &[ImportanceMeasure]) -> Calibration {
    let (model, device) = (model(), Device::flex());
    let mut calibrator = Calibrator::new(&model, &OsftConfig::new().targets).unwrap();
    if sketch {
        calibrator = calibrator.with_sketch(8, 5);
    }
    for measure in importance {
        calibrator = calibrator.with_importance(*measure);
    }
    for seed in 0..6 {
        let (mut x, _) = batch(seed, &device.clone().autodiff());
        for layer in [&model.first, &model.middle, &model.last] {
            let y = layer.forward(x.clone());
            let seen = [(layer.weight.id, y.clone())];
            calibrator.observe(&x, &seen).unwrap();
            x = y.tanh();
        }
    }
    calibrator.finish("noise", &model).unwrap()
}

#[test]
fn calibrations_of_every_version_are_loaded() {
    for (sketch, importance, bytes) in CALIBRATIONS {
        let read = Calibration::from_bytes(bytes).unwrap();
        let expected = measured(sketch, importance);
        assert_eq!(read.sources(), expected.sources());
        for path in ["first.weight", "middle.weight", "last.weight"] {
            let [read, expected] =
                [&read, &expected].map(|calibration| calibration.moment(path).unwrap().trace());
            // Another processor may sum in another order.
            assert!((read / expected - 1.0).abs() < 1e-5, "{path}");
        }
        for measure in [ImportanceMeasure::Cosine, ImportanceMeasure::LinearCka] {
            if !importance.contains(&measure) {
                assert!(read.importance(measure).is_err());
                continue;
            }
            let [read, expected] = [&read, &expected]
                .map(|calibration| calibration.importance(measure).unwrap().unwrap());
            assert_eq!((read.len(), expected.len()), (3, 3));
            for ((path, read), (other, expected)) in read.into_iter().zip(expected) {
                assert_eq!(path, other);
                assert!((read - expected).abs() < 1e-5, "{measure} of {path}");
            }
        }
    }
}

#[test]
fn a_calibration_without_additions_is_written_as_before() {
    let latest: [&[u8]; 2] = [saved!("calibration-4"), saved!("calibration-4-sketch")];
    for bytes in latest {
        let read = Calibration::from_bytes(bytes).unwrap();
        assert_eq!(read.to_bytes().unwrap(), bytes);
    }
}

#[test]
fn number_types_that_a_backend_lacks_are_refused() {
    let (name, ndarray) = backends().remove(0);
    assert_eq!(name, "ndarray");
    let model = Mlp::new(10, &ndarray);
    let bytes: &[u8] = saved!("split-3-bf16");
    let error = Osft::from_bytes(bytes, &model, &SplitContext::new()).unwrap_err();
    assert!(
        matches!(error, OsftError::NotOnDevice { ref dtype } if dtype == "BF16"),
        "{error}"
    );
}

/// Copies of a file with one flipped bit, which differs from byte to byte.
fn flipped(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len()).map(|index| {
        let mut bytes = bytes.to_vec();
        bytes[index] ^= 1 << (index % 8);
        (index, bytes)
    })
}

#[test]
fn a_file_with_a_flipped_bit_is_always_refused() {
    let bytes: &[u8] = saved!("split-3-core");
    for (index, bytes) in flipped(bytes) {
        match read(&bytes) {
            Err(OsftError::BrokenState { .. } | OsftError::OtherFormat { .. }) => {}
            other => panic!("byte {index}: {other:?}"),
        }
    }
    let bytes: &[u8] = saved!("calibration-3-sketch");
    for (index, bytes) in flipped(bytes) {
        match Calibration::from_bytes(&bytes) {
            Err(OsftError::BrokenState { .. } | OsftError::OtherFormat { .. }) => {}
            other => panic!("byte {index}: {other:?}"),
        }
    }
}

/// A file with an edited header. Its length precedes it, and positions of tensors count from its end.
fn with_header(bytes: &[u8], edit: impl Fn(&str) -> String) -> Vec<u8> {
    let (length, rest) = bytes.split_at(8);
    let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
    let (header, tensors) = rest.split_at(length);
    let header = edit(std::str::from_utf8(header).unwrap());
    let mut edited = (header.len() as u64).to_le_bytes().to_vec();
    edited.extend(header.as_bytes());
    edited.extend(tensors);
    edited
}

#[test]
fn contradicting_numbers_are_refused() {
    // In version 2, which has no checksum.
    let core: &[u8] = saved!("split-2-core");
    let factored: &[u8] = saved!("split-2-factored");
    let cases = [
        // More directions than exist, fewer than the basis has, and all of them in an open side.
        (core, r#"k_in\":8"#, r#"k_in\":17"#, "17 of 16 directions"),
        (
            core,
            r#"k_in\":8"#,
            r#"k_in\":7"#,
            "has shape [16, 8], not [16, 9]",
        ),
        (core, r#"k_out\":6"#, r#"k_out\":12"#, "12 of 12 directions"),
        (core, r#"k_in\":8"#, r#"k_in\":0"#, "0 of 16 directions"),
        (
            core,
            r#"sides\":[\"free\""#,
            r#"sides\":[\"open\""#,
            "8 of 16 directions",
        ),
        (
            core,
            r#"sides\":[\"free\""#,
            r#"sides\":[\"closed\""#,
            "8 of 16 directions",
        ),
        (
            factored,
            r#"k_out\":6"#,
            r#"k_out\":5"#,
            "has shape [12, 6], not [12, 7]",
        ),
        (core, r#"fixed\":0.5"#, r#"fixed\":1.5"#, "1.5 is outside"),
    ];
    for (bytes, old, new, words) in cases {
        let edited = with_header(bytes, |header| header.replacen(old, new, 1));
        assert_ne!(edited, bytes, "{new}");
        let error = read(&edited).unwrap_err();
        assert!(error.to_string().contains(words), "{new}: {error}");
    }
    // With a checksum, every change is detected.
    let edited = with_header(saved!("split-3-core"), |header| {
        header.replacen("first.weight", "lasts.weight", 1)
    });
    let error = read(&edited).unwrap_err();
    assert!(error.to_string().contains("checksum"), "{error}");
}

#[test]
fn a_changed_cached_split_is_made_again() {
    for (_, device) in backends() {
        let model = Mlp::new(10, &device);
        let folder = tempfile::tempdir().unwrap();
        let cache = SplitCache::in_folder(folder.path());
        let context = SplitContext::new().with_cache(&cache);
        let split = || Osft::split_in(&model, &OsftConfig::new(), &context).unwrap();
        let made = split();
        let file = std::fs::read_dir(folder.path())
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        let bytes = std::fs::read(&file).unwrap();
        for index in [bytes.len() / 2, bytes.len() - 5] {
            let mut broken = bytes.clone();
            broken[index] ^= 4;
            std::fs::write(&file, &broken).unwrap();
            assert_eq!(split().summary(), made.summary());
            assert_ne!(std::fs::read(&file).unwrap(), broken);
        }
    }
}
