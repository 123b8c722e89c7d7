//! The lifecycle of a module from `prepare` to `finish`.

use crate::common;
use crate::common::drawn::{Drawn, Everything, Plan};
use crate::common::{FORMS, Mlp, adamw, backends, step, trained, weights_of};
use burn::module::{Module, ModuleMapper, Param};
use burn::optim::ModuleOptimizer;
use burn::tensor::{DType, Device, Tensor};
use osft::{Form, Osft, OsftConfig, OsftError, Others, ShareRule};

#[test]
fn preparing_twice_does_not_reset_training() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        for form in FORMS {
            let model = Mlp::new(31, &device);
            let osft = Osft::split(&model, &OsftConfig::new().with_form(form)).unwrap();
            assert!(!osft.is_prepared(&model));
            let model = trained(model, &osft, adamw(), 1e-2, 5, &device);
            assert!(osft.is_prepared(&model));
            let learned = weights_of(&model);
            let again = osft.prepare(model).unwrap();
            assert_eq!(weights_of(&again), learned, "{backend} {form:?}");

            // Another split cannot prepare the module, whether it was made from the same weights or during
            // training.
            let refused = |error: OsftError| {
                let is_expected = matches!(error, OsftError::Reparameterized { ref layer, ref attached }
                    if layer == "first.weight" && attached == "osft");
                assert!(is_expected, "{error}");
            };
            refused(Osft::split(&again, osft.config()).unwrap_err());
            let other = Osft::split(&Mlp::new(31, &device), osft.config()).unwrap();
            refused(other.prepare(again.clone()).unwrap_err());
            for error in [
                other.finish(again.clone()).unwrap_err(),
                other.discard(again).unwrap_err(),
            ] {
                let is_expected = matches!(error, OsftError::NotPrepared { ref layer, name: None }
                    if layer == "first.weight");
                assert!(is_expected, "{error}");
            }
        }
    }
}

#[test]
fn preparing_again_continues_from_the_current_weights() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        for form in FORMS {
            let case = format!("{backend} {form:?}");
            let model = Mlp::new(32, &device);
            let osft = Osft::split(&model, &OsftConfig::new().with_form(form)).unwrap();
            let model = osft
                .finish(trained(model, &osft, adamw(), 1e-2, 5, &device))
                .unwrap();
            let learned = weights_of(&model);
            let model = osft.prepare(model).unwrap();
            // The factors add the rounding of a difference and a sum, of values up to 1.
            let exact = matches!(form, Form::Core | Form::Weight);
            for (now, learned) in weights_of(&model).iter().zip(&learned) {
                let mut pairs = now.values.iter().zip(&learned.values);
                let rounding = if exact { 0.0 } else { 1e-6 };
                assert!(pairs.all(|(a, b)| (a - b).abs() <= rounding), "{case}");
            }
            // The change is still measured since the split, and inside its constraint.
            let leak = osft.leaks(&model).unwrap().worst();
            assert!(leak.relative_change > 1e-3, "{case}");
            if form == Form::Core {
                assert!(leak.leak_in.max(leak.leak_out) < 1e-5, "{case}: {leak:?}");
            }
        }
    }
}

#[test]
fn disabled_and_discard_return_the_module_as_at_the_split() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        for form in FORMS {
            let case = format!("{backend} {form:?}");
            let model = Mlp::new(40, &device);
            let start = Everything::of(&model);
            let osft = Osft::split(&model, &OsftConfig::new().with_form(form)).unwrap();
            let model = trained(model, &osft, adamw(), 1e-2, 5, &device);
            let learned = weights_of(&model);
            let disabled = osft.disabled(&model).unwrap();
            Everything::of(&disabled).assert_kept(&start, &|_| false, &case);
            assert!(!osft.is_prepared(&disabled), "{case}");
            // The module that trains does not change and trains on.
            assert_eq!(weights_of(&model), learned, "{case}");
            assert!(osft.is_prepared(&model), "{case}");
            let discarded = osft.discard(model).unwrap();
            Everything::of(&discarded).assert_kept(&start, &|_| false, &case);
            assert_eq!(osft.leaks(&discarded).unwrap().worst().relative_change, 0.0);
        }
    }
    // Other trained parameters are not stored, so they cannot be restored.
    let device = Device::flex().autodiff();
    let model = Mlp::new(40, &device);
    let osft = Osft::split(&model, &OsftConfig::new().with_others(Others::Trained)).unwrap();
    let model = osft.prepare(model).unwrap();
    for error in [
        osft.disabled(&model).unwrap_err(),
        osft.discard(model).unwrap_err(),
    ] {
        assert!(matches!(error, OsftError::OthersTrained), "{error}");
    }
}

#[test]
fn a_module_with_nan_cannot_be_finished() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        let model = Mlp::new(41, &device);
        let osft = Osft::split(&model, &OsftConfig::new()).unwrap();
        let model = osft.prepare(model).unwrap();
        let mut optimizer = osft.optimizer(adamw()).unwrap();
        // As after a step that overflowed.
        let model = step(model, &osft, &mut optimizer, f64::INFINITY, 1, &device);
        match osft.finish(model.clone()).unwrap_err() {
            OsftError::NonFinite { layer, count, .. } => {
                assert_eq!(layer, "first.weight", "{backend}");
                assert!(count > 0, "{backend}");
            }
            other => panic!("{backend}: {other}"),
        }
        // The error names the broken layer, even if earlier layers are intact.
        let mut last = osft.disabled(&model).unwrap();
        last = osft.prepare(last).unwrap();
        last.last = last.last.map(&mut Broken);
        let error = osft.finish(last).unwrap_err();
        assert!(
            matches!(error, OsftError::NonFinite { ref layer, .. } if layer == "last.weight"),
            "{backend}: {error}"
        );
        // A broken layer has the worst leak.
        let leaks = osft.leaks(&model).unwrap();
        let worst = leaks.worst();
        assert!(worst.leak_in.is_nan() && worst.leak_out.is_nan() && worst.leak_both.is_nan());
        assert!(worst.relative_change.is_nan(), "{backend}");
        assert_eq!(worst.path, "first.weight", "{backend}");
    }
}

#[test]
fn a_core_is_constrained_with_any_optimizer() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        for form in [Form::Core, Form::Weight] {
            let model = Mlp::new(46, &device);
            let osft = Osft::split(&model, &OsftConfig::new().with_form(form)).unwrap();
            let mut model = osft.prepare(model).unwrap();
            // Burn's own optimizer, which does not know the directions.
            let mut optimizer: ModuleOptimizer = adamw().into();
            for seed in 0..5 {
                model = step(model, &osft, &mut optimizer, 1e-2, seed, &device);
            }
            let case = format!("{backend} {form:?}");
            let (x, _) = common::batch(9, &device);
            let training = model.forward(x.clone()).inner().into_data();
            let validation = model.valid().forward(x.clone().inner()).into_data();
            let leaks = osft.leaks(&model).unwrap();
            let model = osft.finish(model).unwrap();
            let finished = model.forward(x).inner().into_data();
            assert_eq!(training, validation, "{case}");
            assert_eq!(training, finished, "{case}");
            for leak in leaks
                .layers
                .into_iter()
                .chain(osft.leaks(&model).unwrap().layers)
            {
                let ruled_out = match form {
                    Form::Core => leak.leak_in.max(leak.leak_out),
                    _ => leak.leak_both,
                };
                assert!(ruled_out < 1e-5, "{case}: {leak:?}");
            }
        }
    }
}

#[test]
fn truncating_keeps_layout_type_and_trainability_of_a_weight() {
    for (_, device) in backends() {
        let device = device.autodiff();
        let plan = Plan {
            dtype: DType::F64,
            ..Plan::all_kinds()
        };
        let module = Drawn::new(&plan, 4, &device.clone().inner());
        let start = Everything::of(&module);
        let osft = Osft::split(&module, &OsftConfig::new()).unwrap();
        let cut = Everything::of(&osft.truncate(module.clone()).unwrap());
        cut.assert_kept(&start, &|path| path == "layers.1.weight", "truncated");
        let weight = |of: &Everything| of.parameters["layers.1.weight"].values.clone();
        assert_ne!(weight(&cut), weight(&start));
        let prepared = osft.prepare(module).unwrap();
        let error = osft.truncate(prepared).unwrap_err();
        assert!(
            matches!(error, OsftError::Reparameterized { .. }),
            "{error}"
        );
    }
}

#[test]
fn splits_without_attachments_recognize_prepared_modules() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        for share in [0.0, 1.0] {
            let model = Mlp::new(81, &device);
            let start = Everything::of(&model);
            let config = OsftConfig::new().with_protected_share(share);
            let nothing = Osft::split(&model, &config).unwrap();
            let half = Osft::split(&model, &OsftConfig::new()).unwrap();
            // Preparing twice is the same as once.
            let prepared = nothing.prepare(model.clone()).unwrap();
            let twice = nothing.prepare(prepared).unwrap();
            let back = nothing.finish(twice).unwrap();
            Everything::of(&back).assert_kept(&start, &|_| false, backend);
            // This split must not merge or discard what another split trains.
            let model = trained(model, &half, adamw(), 1e-2, 5, &device);
            assert!(
                half.is_prepared(&model) && !nothing.is_prepared(&model),
                "{backend}"
            );
            for error in [
                nothing.finish(model.clone()).unwrap_err(),
                nothing.discard(model.clone()).unwrap_err(),
            ] {
                let is_expected = matches!(error, OsftError::NotPrepared { ref layer, .. }
                    if layer == "first.weight");
                assert!(is_expected, "{backend} {share}: {error}");
            }
            let error = nothing.prepare(model.clone()).unwrap_err();
            assert!(
                matches!(error, OsftError::Reparameterized { .. }),
                "{error}"
            );
            // The leak is measured on the weights that the module computes with.
            let [of_model, of_merged] = [model.clone(), half.finish(model).unwrap()]
                .map(|model| nothing.leaks(&model).unwrap().worst());
            assert_eq!(of_model, of_merged, "{backend} {share}");
            assert!(of_model.relative_change > 1e-3, "{backend} {share}");
            assert_eq!(
                of_model.leak_in > 0.5,
                share == 1.0,
                "{backend}: {of_model:?}"
            );
        }
        // One fully protected layer beside others with cores.
        let mixed = OsftConfig::new().with_target_share("last", ShareRule::fixed(1.0));
        let model = Mlp::new(81, &device);
        let osft = Osft::split(&model, &mixed).unwrap();
        let all = Osft::split(&model, &OsftConfig::new()).unwrap();
        let model = all.prepare(model).unwrap();
        assert!(!osft.is_prepared(&model), "{backend}");
    }
}

/// Sets cores to NaN.
struct Broken;

impl ModuleMapper for Broken {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        // The weight itself is frozen and does not change.
        match D == 2 && param.is_require_grad() {
            true => param.map(|core| (core * f32::NAN).detach().require_grad()),
            false => param,
        }
    }
}
