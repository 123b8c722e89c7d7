//! A split used with other modules than the one that it was made from.

use crate::common::drawn::Everything;
use crate::common::{FORMS, Mlp, adamw, backends, step, weights_of};
use burn::module::{Lora, Module};
use burn::nn::LinearConfig;
use burn::tensor::Device;
use osft::{FreeCore, Osft, OsftConfig, OsftError, ShareRule, SplitContext};

#[test]
fn preparing_keeps_other_weights_of_the_same_shapes() {
    for (_, device) in backends() {
        let device = device.autodiff();
        for form in FORMS {
            let osft =
                Osft::split(&Mlp::new(33, &device), &OsftConfig::new().with_form(form)).unwrap();
            let other = Mlp::new(34, &device);
            let before = weights_of(&other);
            let bytes = osft.to_bytes().unwrap();
            let again = Osft::from_bytes(&bytes, &other, &SplitContext::new()).unwrap();
            for osft in [osft, again] {
                let prepared = osft.prepare(other.clone()).unwrap();
                for (now, before) in weights_of(&prepared).iter().zip(&before) {
                    let mut pairs = now.values.iter().zip(&before.values);
                    assert!(pairs.all(|(a, b)| (a - b).abs() < 1e-6), "{form:?}");
                }
                // The measured change is the distance from the split, which is large.
                assert!(osft.leaks(&prepared).unwrap().worst().leak_in > 0.1);
            }
        }
    }
}

#[test]
fn a_module_without_the_targets_is_refused_with_the_layers_name() {
    for (_, device) in backends() {
        let device = device.autodiff();
        let osft = Osft::split(&Mlp::new(35, &device), &OsftConfig::new()).unwrap();
        let other = || LinearConfig::new(16, 16).init(&device);
        let prepared = osft.prepare(Mlp::new(35, &device)).unwrap();
        let mut smaller = prepared.clone();
        smaller.middle = LinearConfig::new(16, 39).init(&device);
        let errors = [
            ("first.weight", osft.prepare(other()).unwrap_err()),
            ("first.weight", osft.finish(other()).unwrap_err()),
            ("first.weight", osft.discard(other()).unwrap_err()),
            ("first.weight", osft.disabled(&other()).unwrap_err()),
            ("first.weight", osft.truncate(other()).unwrap_err()),
            ("middle.weight", osft.finish(smaller.clone()).unwrap_err()),
            ("middle.weight", osft.leaks(&smaller).unwrap_err()),
        ];
        for (name, error) in errors {
            let is_expected =
                matches!(error, OsftError::OtherModule { ref layer, .. } if layer == name);
            assert!(is_expected, "{error}");
        }
        // A module that was not prepared cannot be finished: there is nothing to merge.
        let error = osft.finish(Mlp::new(35, &device)).unwrap_err();
        assert!(matches!(error, OsftError::NotPrepared { .. }), "{error}");
        // A module with adapters has no single weight to split.
        let adapted = Mlp::new(35, &device).apply_lora(Lora::new(2, 4.0));
        for error in [
            Osft::split(&adapted, &OsftConfig::new()).unwrap_err(),
            osft.prepare(adapted).unwrap_err(),
        ] {
            let is_expected = matches!(error, OsftError::Reparameterized { ref attached, .. }
            if attached == "lora");
            assert!(is_expected, "{error}");
        }
    }
}

#[test]
fn two_splits_of_one_module_are_distinguished_by_name() {
    for (_, device) in backends() {
        let device = device.autodiff();
        let model = Mlp::new(39, &device);
        let split = |share, name: &str| {
            let config = OsftConfig::new().with_protected_share(share);
            Osft::split(&model, &config).unwrap().with_name(name)
        };
        let splits = [split(0.5, "careful"), split(0.2, "bold")];
        let prepared = splits[1].prepare(model.clone()).unwrap();
        let found = splits.iter().find(|split| split.is_prepared(&prepared));
        assert_eq!(found.and_then(|split| split.name()), Some("bold"));
        let error = splits[0].finish(prepared.clone()).unwrap_err();
        assert!(
            matches!(error, OsftError::NotPrepared { name: Some(ref name), .. } if name == "careful"),
            "{error}"
        );
        assert!(error.to_string().contains("careful"), "{error}");
        // The other split stays usable: it measures the same module, is saved with its name, and is used
        // later.
        let mut optimizer = splits[1].optimizer(adamw()).unwrap();
        let prepared = (0..5).fold(prepared, |model, seed| {
            step(model, &splits[1], &mut optimizer, 1e-2, seed, &device)
        });
        let [careful, bold] =
            [&splits[0], &splits[1]].map(|split| split.leaks(&prepared).unwrap().worst());
        assert!(
            bold.leak_in < 1e-5 && careful.leak_in > 1e-3,
            "{bold:?} {careful:?}"
        );
        let bytes = splits[0].to_bytes().unwrap();
        let again = Osft::from_bytes(&bytes, &prepared, &SplitContext::new()).unwrap();
        assert_eq!(again.name(), Some("careful"));
        let model = splits[1].finish(prepared).unwrap();
        let model = splits[0].prepare(model).unwrap();
        assert!(splits[0].is_prepared(&model) && !splits[1].is_prepared(&model));
    }
}

#[test]
fn parameters_are_found_by_identity_and_by_path() {
    #[derive(Module, Debug)]
    struct Inside {
        inner: Mlp,
    }
    let device = Device::flex().autodiff();
    let model = Mlp::new(42, &device);
    let start = Everything::of(&model);
    let config = OsftConfig::new().with_target_share("last", ShareRule::fixed(1.0));
    let osft = Osft::split(&model, &config).unwrap();

    // By identity, in a module that became part of another one.
    let prepared = osft
        .prepare(Inside {
            inner: model.clone(),
        })
        .unwrap();
    assert!(osft.is_prepared(&prepared.inner));
    let back = osft.finish(prepared).unwrap();
    Everything::of(&back.inner).assert_kept(&start, &|_| false, "wrapped");

    // By path, in a module whose weights were loaded: the file had other identities.
    let loaded = Mlp::new(43, &device).load_record(model.clone().into_record());
    let other = Mlp::new(44, &device);
    assert_ne!(other.first.weight.id, model.first.weight.id);
    for model in [loaded, other] {
        let before = Everything::of(&model);
        let mut optimizer = osft.optimizer(adamw()).unwrap();
        let prepared = osft.prepare(model).unwrap();
        let trained = step(prepared, &osft, &mut optimizer, 1e-2, 1, &device);
        let finished = osft.finish(trained).unwrap();
        // The last layer is fully protected, whatever its identity.
        let moved = |path: &str| path == "first.weight" || path == "middle.weight";
        Everything::of(&finished).assert_kept(&before, &moved, "loaded");
    }
}

#[test]
fn weights_can_be_loaded_into_a_prepared_module() {
    for (_, device) in backends() {
        let device = device.autodiff();
        let model = Mlp::new(45, &device);
        let osft = Osft::split(&model, &OsftConfig::new()).unwrap();
        let bytes = osft.to_bytes().unwrap();
        // Uninitialized, split by the saved split, then filled with weights.
        let layer = |d_in, d_out| LinearConfig::new(d_in, d_out).init(&device);
        let empty = Mlp {
            first: layer(16, 16),
            middle: layer(16, 40),
            last: layer(40, 12),
        };
        let osft = Osft::from_bytes(&bytes, &empty, &SplitContext::new()).unwrap();
        let prepared = osft.prepare(empty).unwrap();
        assert!(!prepared.first.weight.is_initialized());
        let record = model.clone().into_record().allow_partial(true);
        let prepared = prepared.load_record(record);
        assert_eq!(weights_of(&prepared), weights_of(&model));
        assert!(
            prepared
                .first
                .weight
                .reparameterization::<FreeCore>()
                .is_some()
        );
        let mut optimizer = osft.optimizer(adamw()).unwrap();
        let trained = step(prepared, &osft, &mut optimizer, 1e-2, 1, &device);
        let leak = osft.leaks(&trained).unwrap().worst();
        assert!(
            leak.leak_in < 1e-5 && leak.relative_change > 1e-3,
            "{leak:?}"
        );
        let finished = osft.finish(trained).unwrap();
        assert!(finished.first.weight.is_require_grad() && finished.last.weight.is_require_grad());
    }
}

#[test]
fn preparing_a_clone_does_not_change_the_uninitialized_original() {
    for (_, device) in backends() {
        let device = device.autodiff();
        let bytes = Osft::split(&Mlp::new(85, &device), &OsftConfig::new())
            .unwrap()
            .to_bytes()
            .unwrap();
        let layer = |d_in, d_out| LinearConfig::new(d_in, d_out).init(&device);
        let empty = Mlp {
            first: layer(16, 16),
            middle: layer(16, 40),
            last: layer(40, 12),
        };
        let osft = Osft::from_bytes(&bytes, &empty, &SplitContext::new()).unwrap();
        let prepared = osft.prepare(empty.clone()).unwrap();
        assert!(!prepared.first.weight.is_initialized() && !empty.first.weight.is_initialized());
        assert!(!prepared.first.weight.base().is_require_grad());
        for layer in [&empty.first, &empty.middle, &empty.last] {
            assert!(layer.weight.val().is_require_grad());
            assert!(layer.bias.as_ref().unwrap().val().is_require_grad());
        }
    }
}
