//! A module with all kinds of parts is trained on a task, and only the trained weights change.

use crate::common::drawn::{Drawn, Everything, Plan};
use crate::common::{FORMS, adamw, backends};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::ModuleOptimizer;
use osft::{Osft, OsftConfig, OsftError};

#[test]
fn only_trained_weights_change_in_a_module_with_all_kinds_of_parts() {
    for (backend, device) in backends() {
        for form in FORMS {
            let case = format!("{backend} {form:?}");
            let module = Drawn::new(&Plan::all_kinds(), 3, &device);
            let start = Everything::of(&module);
            let osft = Osft::split(&module, &OsftConfig::new().with_form(form)).unwrap();
            let targets: Vec<&str> = osft.layers().iter().map(|l| l.path.as_str()).collect();
            assert_eq!(targets, ["layers.1.weight"], "{case}");
            let [shared, frozen] = osft.warnings() else {
                panic!("{case}: {:?}", osft.warnings());
            };
            assert!(shared.contains("layers.0.weight") && shared.contains("shared.weight"));
            assert!(frozen.contains("layers.2.weight is left as it is: it is frozen"));

            let mut optimizer = osft.optimizer(adamw()).unwrap();
            let mut module = osft.prepare(module).unwrap();
            assert_eq!(Everything::of(&module).flags, start.flags, "{case}");
            for seed in 0..20 {
                module = module.step(&osft, &mut optimizer, 1e-2, seed);
            }
            let module = osft.finish(module).unwrap();
            let finished = Everything::of(&module);
            let moved = |path: &str| path == "layers.1.weight" || path.contains("running");
            finished.assert_kept(&start, &moved, &case);
            let weight = |of: &Everything| of.parameters["layers.1.weight"].clone();
            assert_ne!(weight(&finished).values, weight(&start).values, "{case}");
            // Saved in its stored layout, which is transposed.
            let [now, saved] = [weight(&finished).values, weight(&finished).saved.1];
            assert_eq!(now[1], saved[6], "{case}");

            // Another module loads the record and trains on, like any module.
            let loaded = Drawn::empty(&Plan::all_kinds(), &device.clone().autodiff())
                .load_record(module.clone().into_record());
            let again = Everything::of(&loaded);
            for (path, parameter) in &finished.parameters {
                assert_eq!(
                    again.parameters[path].values, parameter.values,
                    "{case}: {path}"
                );
            }
            let mut plain: ModuleOptimizer = adamw().into();
            let grads = module.gradients(1);
            let module = plain.step(1e-2, module, grads);
            let trained = Everything::of(&module);
            for (path, parameter) in &finished.parameters {
                let still = !parameter.trains || path.starts_with("shared");
                let same = trained.parameters[path].values == parameter.values;
                assert!(still == same || path.contains("running"), "{case}: {path}");
            }
        }
    }
}

#[test]
fn a_target_that_became_shared_is_refused() {
    for (backend, device) in backends() {
        let plan = Plan {
            shared: false,
            frozen: None,
            ..Plan::all_kinds()
        };
        let module = Drawn::new(&plan, 5, &device);
        let osft = Osft::split(&module, &OsftConfig::new()).unwrap();
        let shared = Drawn {
            shared: Some(module.layers[0].clone()),
            ..module
        };
        let error = osft.prepare(shared).unwrap_err();
        assert!(
            matches!(error, OsftError::Shared { ref layer, ref also }
                if layer == "layers.0.weight" && also == "shared.weight"),
            "{backend}: {error}"
        );
    }
}

#[test]
fn both_places_of_a_shared_parameter_keep_their_settings() {
    for (_, device) in backends() {
        let device = device.autodiff();
        let layer = || LinearConfig::new(4, 4).init(&device);
        let first = layer();
        let (weight, bias) = (first.weight.val(), first.bias.as_ref().unwrap().val());
        assert_eq!((weight.dims(), bias.dims()), ([4, 4], [4]));
        let module = vec![first.clone(), first.no_grad(), layer()];
        let osft = Osft::split(&module, &OsftConfig::new()).unwrap();
        let module = osft.finish(osft.prepare(module).unwrap()).unwrap();
        let trains = |index: usize| {
            let layer: &Linear = &module[index];
            let bias = layer.bias.as_ref().unwrap();
            (layer.weight.is_require_grad(), bias.is_require_grad())
        };
        assert_eq!(
            [trains(0), trains(1), trains(2)],
            [(true, true), (false, false), (true, true)]
        );
    }
}
