//! The optimizer of a split: clipping, optimizers that it refuses, and parameters that it does not move.

use crate::common::{Mlp, backends, batch, step, weights_of};
use burn::module::Module;
use burn::optim::grad_clipping::GradientClipping;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer, MuonConfig, SgdConfig};
use burn::tensor::Tensor;
use osft::{Form, FreeCore, Osft, OsftConfig, OsftError, Others};

fn norm(tensor: Tensor<2>) -> f64 {
    let squares: f64 = tensor.into_data().iter::<f64>().map(|v| v * v).sum();
    squares.sqrt()
}

fn core(model: &Mlp) -> Tensor<2> {
    let attached = model.first.weight.reparameterization::<FreeCore>().unwrap();
    attached.core().val().inner()
}

#[test]
fn clipping_reaches_every_core() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        let model = Mlp::new(51, &device);
        let osft = Osft::split(&model, &OsftConfig::new()).unwrap();
        let model = osft.prepare(model).unwrap();
        let moved = |mut optimizer: burn::optim::ModuleOptimizer| {
            norm(core(&step(
                model.clone(),
                &osft,
                &mut optimizer,
                1.0,
                1,
                &device,
            )))
        };
        let sgd = || SgdConfig::new().build();
        let free = moved(osft.optimizer(sgd()).unwrap());
        let clipped = osft.optimizer_with_clipping(sgd(), GradientClipping::Norm(0.01));
        let clipped = moved(clipped.unwrap());
        // One step of plain gradient descent at rate 1 moves by the gradient.
        assert!(free > 0.1, "{backend}: {free}");
        assert!((clipped - 0.01).abs() < 1e-6, "{backend}: {clipped}");
        // Clipping that is set afterwards goes to Burn's first group, which contains no core.
        let after = osft.optimizer(sgd()).unwrap();
        let after = moved(after.with_grad_clipping(GradientClipping::Norm(0.01)));
        assert_eq!(after, free, "{backend}: the documentation says otherwise");
    }
}

#[test]
fn clipping_reaches_factors_and_ordinary_parameters() {
    for (_, device) in backends() {
        let device = device.autodiff();
        for (form, share) in [(Form::Factored, 0.5), (Form::Core, 0.0)] {
            let model = Mlp::new(52, &device);
            let config = OsftConfig::new()
                .with_form(form)
                .with_protected_share(share)
                .with_others(Others::Trained);
            let osft = Osft::split(&model, &config).unwrap();
            let model = osft.prepare(model).unwrap();
            let clipping = GradientClipping::Value(1e-4);
            let mut optimizer = osft
                .optimizer_with_clipping(SgdConfig::new().build(), clipping)
                .unwrap();
            let after = step(model.clone(), &osft, &mut optimizer, 1.0, 1, &device);
            let bias = |of: &Mlp| of.first.bias.as_ref().unwrap().val().inner();
            let moved = (bias(&after) - bias(&model))
                .abs()
                .max()
                .into_scalar::<f32>();
            // Rounding of values near 0.1.
            assert!(moved > 0.0 && moved < 1.01e-4, "{form:?}: {moved}");
            let weight = |of: &Mlp| of.first.weight.val().inner();
            let moved = (weight(&after) - weight(&model))
                .abs()
                .max()
                .into_scalar::<f32>();
            // Three factors of a few entries, each moved by 1e-4 at most.
            assert!(moved > 0.0 && moved < 5e-3, "{form:?}: {moved}");
        }
    }
}

#[test]
fn muon_is_refused_if_a_vector_trains() {
    for (_, device) in backends() {
        let device = device.autodiff();
        let muon = || MuonConfig::new().build();
        let split = |form, others| {
            let model = Mlp::new(53, &device);
            let config = OsftConfig::new().with_form(form).with_others(others);
            let osft = Osft::split(&model, &config).unwrap();
            (osft.prepare(model).unwrap(), osft)
        };
        for form in [Form::Factored, Form::FactoredReprojected] {
            let (_, osft) = split(form, Others::Frozen);
            let error = osft.optimizer(muon()).map(|_| ()).unwrap_err();
            let is_expected = matches!(error, OsftError::MatricesOnly { optimizer: "Muon", ref parameter, .. }
            if parameter == "first.weight.osft.scale");
            assert!(is_expected, "{error}");
            assert!(
                error.to_string().contains("Muon moves matrices alone"),
                "{error}"
            );
        }
        let (_, osft) = split(Form::Core, Others::Trained);
        let error = osft.optimizer(muon()).map(|_| ()).unwrap_err();
        assert!(
            matches!(error, OsftError::MatricesOnly { ref parameter, .. } if parameter == "first.bias"),
            "{error}"
        );
        // If only matrices train, it works like every optimizer.
        for form in [Form::Core, Form::Weight] {
            let (mut model, osft) = split(form, Others::Frozen);
            let before = weights_of(&model);
            let mut optimizer = osft.optimizer(muon()).unwrap();
            for seed in 0..5 {
                model = step(model, &osft, &mut optimizer, 1e-2, seed, &device);
            }
            let worst = osft.leaks(&model).unwrap().worst();
            let ruled_out = match form {
                Form::Core => worst.leak_in.max(worst.leak_out),
                _ => worst.leak_both,
            };
            assert!(ruled_out < 1e-5, "{form:?}: {worst:?}");
            assert_ne!(weights_of(&model), before, "{form:?}");
        }
        // Frozen vectors do not matter.
        let model = Mlp::new(53, &device);
        let bare = |mut layer: burn::nn::Linear| {
            layer.bias = layer.bias.map(Module::no_grad);
            layer
        };
        let model = Mlp {
            first: bare(model.first),
            middle: bare(model.middle),
            last: bare(model.last),
        };
        let config = OsftConfig::new().with_others(Others::Trained);
        let osft = Osft::split(&model, &config).unwrap();
        assert!(osft.optimizer(muon()).is_ok());
    }
}

#[test]
fn a_module_that_was_not_prepared_does_not_move() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        let model = Mlp::new(54, &device);
        let stepped = |model: &Mlp, osft: &Osft| {
            let inner = AdamWConfig::new().with_weight_decay(0.1).build();
            let mut optimizer = osft.optimizer(inner).unwrap();
            let (x, y) = batch(1, &device);
            let loss = (model.forward(x) - y).square().sum();
            let grads = GradientsParams::from_grads(loss.backward(), model);
            weights_of(&optimizer.step(1e-2, model.clone(), grads))
        };
        let osft = Osft::split(&model, &OsftConfig::new()).unwrap();
        assert_eq!(stepped(&model, &osft), weights_of(&model), "{backend}");
        // If nothing can move, a module with other identities does not move either.
        let closed = OsftConfig::new().with_protected_share(1.0);
        let closed = Osft::split(&model, &closed).unwrap();
        let other = closed.prepare(Mlp::new(55, &device)).unwrap();
        assert_eq!(stepped(&other, &closed), weights_of(&other), "{backend}");
    }
}

#[test]
fn two_optimizers_can_train_one_module() {
    for (_, device) in backends() {
        let device = device.autodiff();
        let adamw = || AdamWConfig::new().with_weight_decay(0.0).build();
        for form in [
            Form::Core,
            Form::Weight,
            Form::Factored,
            Form::FactoredReprojected,
        ] {
            for others in [Others::Frozen, Others::Trained] {
                let case = format!("{form:?} {others:?}");
                let config = OsftConfig::new().with_form(form).with_others(others);
                let trained = |make: &dyn Fn(&Osft) -> ModuleOptimizer| {
                    let model = Mlp::new(54, &device);
                    let osft = Osft::split(&model, &config).unwrap();
                    let mut optimizer = make(&osft);
                    let mut model = osft.prepare(model).unwrap();
                    for seed in 0..5 {
                        model = step(model, &osft, &mut optimizer, 1e-2, seed, &device);
                    }
                    let worst = osft.leaks(&model).unwrap().worst();
                    (weights_of(&osft.finish(model).unwrap()), worst)
                };
                let (one, _) = trained(&|osft| osft.optimizer(adamw()).unwrap());
                let (twice, _) = trained(&|osft| osft.optimizer_with_rest(adamw(), adamw()));
                assert_eq!(one, twice, "{case}: one optimizer twice is one optimizer");
                let muon = MuonConfig::new();
                let (mixed, worst) =
                    trained(&|osft| osft.optimizer_with_rest(muon.build(), adamw()));
                assert_ne!(mixed, one, "{case}");
                match form {
                    Form::Core | Form::FactoredReprojected => {
                        assert!(
                            worst.leak_in.max(worst.leak_out) < 1e-5,
                            "{case}: {worst:?}"
                        );
                    }
                    Form::Weight => assert!(worst.leak_both < 1e-5, "{case}: {worst:?}"),
                    Form::Factored => {}
                }
            }
        }
    }
}
