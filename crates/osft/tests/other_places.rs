//! A split works after its module became part of another one or moved to another device.

use crate::common::drawn::Everything;
use crate::common::{FORMS, Mlp, adamw, backends, step};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use osft::{Decay, Osft, OsftConfig, OsftError, Others, SplitContext};

#[derive(Module, Debug)]
struct Wrapper {
    first: Linear,
    inner: Mlp,
}

/// A module around another one, with its own layer at a path that the inner module has too.
fn wrapped(inner: Mlp, device: &Device, trains: bool) -> Wrapper {
    let first = LinearConfig::new(16, 16).init(device);
    let first = match trains {
        true => first,
        false => first.no_grad(),
    };
    Wrapper { first, inner }
}

#[test]
fn layers_of_an_outer_module_are_not_changed() {
    for (_, device) in backends() {
        let device = device.autodiff();
        let model = Mlp::new(82, &device);
        let start = Everything::of(&model);
        for others in [Others::Frozen, Others::Trained] {
            let config = OsftConfig::new().with_others(others);
            let osft = Osft::split(&model, &config).unwrap();
            let bytes = osft.to_bytes().unwrap();
            let again = Osft::from_bytes(&bytes, &model, &SplitContext::new()).unwrap();
            for osft in [osft, again] {
                for trains in [true, false] {
                    let whole = wrapped(model.clone(), &device, trains);
                    let around = Everything::of(&whole.first);
                    let prepared = osft.prepare(whole).unwrap();
                    assert_eq!(prepared.first.weight.is_require_grad(), trains);
                    let mut optimizer = osft.optimizer(adamw()).unwrap();
                    let x = Tensor::<2>::ones([3, 16], &device);
                    let loss = prepared
                        .inner
                        .forward(prepared.first.forward(x))
                        .square()
                        .mean();
                    let grads = GradientsParams::from_grads(loss.backward(), &prepared);
                    let trained = optimizer.step(1e-2, prepared, grads);
                    let back = osft.finish(trained).unwrap();
                    let moved = |_: &str| true;
                    Everything::of(&back.inner).assert_kept(&start, &moved, "inside");
                    Everything::of(&back.first).assert_kept(&around, &moved, "outside");
                    let values = Everything::of(&back.first).parameters["weight"]
                        .values
                        .clone();
                    let same = values == around.parameters["weight"].values;
                    assert_eq!(
                        same, !trains,
                        "{others:?}: what is outside trains as its owner wants"
                    );
                }
            }
        }
    }
}

#[test]
fn a_removed_layer_is_named_in_the_error() {
    for (_, device) in backends() {
        let device = device.autodiff();
        let layer = || LinearConfig::new(4, 4).init(&device);
        let module = vec![layer(), layer(), layer()];
        let osft = Osft::split(&module, &OsftConfig::new()).unwrap();
        // The last two layers moved up to the positions of the first two.
        let error = osft.prepare(module[1..].to_vec()).unwrap_err();
        assert!(
            matches!(error, OsftError::OtherModule { ref layer, .. } if layer == "0.weight"),
            "{error}"
        );
    }
}

#[test]
fn a_split_works_after_its_module_moved_to_another_device() {
    let (_, ndarray) = backends().remove(0);
    for form in FORMS {
        for others in [Others::Frozen, Others::Trained] {
            for share in [0.0, 0.3, 0.8] {
                let case = format!("{form:?} {others:?} {share}");
                let config = OsftConfig::new().with_form(form).with_others(others);
                let config = config.with_protected_share(share).with_decay(Decay::Weight);
                let model = Mlp::new(83, &Device::flex());
                let osft = Osft::split(&model, &config).unwrap();
                let step = |model: Mlp, osft: &Osft, device: &Device| {
                    let mut optimizer = osft.optimizer(adamw()).unwrap();
                    step(model, osft, &mut optimizer, 1e-2, 1, device)
                };
                // Before it trains.
                let moved = model.clone().to_device(&ndarray).train();
                assert_eq!(
                    osft.leaks(&moved).unwrap().worst().relative_change,
                    0.0,
                    "{case}"
                );
                let there = ndarray.clone().autodiff();
                let trained = step(osft.prepare(moved).unwrap(), &osft, &there);
                let leak = osft.leaks(&trained).unwrap().worst();
                assert!(leak.relative_change > 1e-4, "{case}: {leak:?}");
                let finished = osft.finish(trained).unwrap();
                assert_eq!(finished.first.weight.device(), ndarray, "{case}");
                assert!(osft.truncate(finished).is_ok(), "{case}");
                // During training, for training and for validation.
                let here = Device::flex().autodiff();
                let begun = step(osft.prepare(model.train()).unwrap(), &osft, &here);
                let forked = begun.clone().fork(&ndarray);
                let trained = step(forked, &osft, &there);
                assert!(
                    osft.finish(trained).unwrap().last.weight.is_require_grad(),
                    "{case}"
                );
                let used = osft.finish(begun.to_device(&ndarray)).unwrap();
                assert!(
                    osft.leaks(&used).unwrap().worst().relative_change > 1e-4,
                    "{case}"
                );
            }
        }
    }
}

#[test]
fn a_trainable_parameter_whose_tensor_is_no_leaf_is_not_frozen() {
    let (_, ndarray) = backends().remove(0);
    let model = Mlp::new(84, &Device::flex().autodiff()).to_device(&ndarray);
    // The tensor does not require gradients, but the parameter is configured to.
    assert!(!model.first.weight.is_require_grad());
    let osft = Osft::split(&model, &OsftConfig::new()).unwrap();
    assert_eq!(osft.layers().len(), 3);
    let prepared = osft.prepare(model).unwrap();
    let finished = osft.finish(prepared).unwrap();
    assert!(
        finished.first.weight.is_require_grad() && finished.first.bias.unwrap().is_require_grad()
    );
}
