//! Modules in f64, f16 and bf16: splitting, training, saving and measuring.

use crate::common::drawn::{Drawn, Everything, leaked, plan, trained};
use crate::common::{FORMS, backends, noise};
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Tensor, TensorData};
use osft::{
    Calibrator, Decay, Form, FreeCore, HeldNumbers, Osft, OsftConfig, Others, ShareRule,
    SplitContext, SplitSource,
};

/// Largest relative error of rounding to a type.
fn roundoff(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => 2.0_f64.powi(-53),
        DType::F32 => 2.0_f64.powi(-24),
        DType::F16 => 2.0_f64.powi(-11),
        _ => 2.0_f64.powi(-8),
    }
}

#[test]
fn a_module_of_f64_trains_in_f64() {
    for (backend, device) in backends() {
        for form in FORMS {
            for decay in [Decay::Change, Decay::Weight] {
                let case = format!("{backend} {form:?} {decay:?}");
                let module = Drawn::new(&plan(DType::F64), 1, &device);
                let config = OsftConfig::new().with_form(form).with_decay(decay);
                let osft = Osft::split(&module, &config).unwrap();
                let module = trained(module, &osft, 1e-2, 20);
                assert_eq!(module.layers[0].weight.val().dtype(), DType::F64, "{case}");
                if form != Form::Factored {
                    // Some hundred roundings of f64; f32 anywhere would exceed this a million times.
                    assert!(leaked(&osft, &module) < 1e-13, "{case}");
                }
                let module = osft.finish(module).unwrap();
                assert_eq!(module.layers[1].weight.val().dtype(), DType::F64, "{case}");
                assert!(osft.leaks(&module).unwrap().worst().relative_change > 1e-2);
            }
        }
    }
}

/// flex and GPUs support two-byte types, ndarray does not.
#[test]
fn a_module_in_two_bytes_trains_through_cores_in_f32() {
    let device = Device::flex();
    for dtype in [DType::BF16, DType::F16] {
        for form in FORMS {
            for share in [0.0, 0.5, 0.8] {
                let case = format!("{dtype:?} {form:?} {share}");
                let module = Drawn::new(&plan(dtype), 2, &device);
                let config = OsftConfig::new()
                    .with_form(form)
                    .with_protected_share(share);
                let osft = Osft::split(&module, &config).unwrap();
                assert!(osft.warnings().is_empty(), "{case}");
                // Steps that two bytes would lose: some hundred of them make the smallest change of a weight
                // near 0.5.
                let module = trained(module, &osft, 1e-5, 20);
                let weight = &module.layers[0].weight;
                assert_eq!(weight.val().dtype(), dtype, "{case}");
                let master = osft.leaks(&module).unwrap();
                for leak in &master.layers {
                    assert!(leak.relative_change > 1e-5, "{case}: {leak:?}");
                }
                let finished = osft.finish(module).unwrap();
                let stored = osft.leaks(&finished).unwrap();
                for (index, leak) in stored.layers.iter().enumerate() {
                    let weight = finished.layers[index].weight.val();
                    assert_eq!(weight.dtype(), dtype, "{case}");
                    // The stored weight equals the trained one up to half a unit in the last place.
                    let bound = master.layers[index].relative_change + roundoff(dtype);
                    assert!(leak.relative_change < bound, "{case}: {leak:?}");
                }
            }
        }
    }
}

#[test]
fn the_core_leaks_nothing_and_the_rounding_of_stored_weights_is_bounded() {
    let device = Device::flex();
    for dtype in [DType::BF16, DType::F16] {
        for form in [Form::Core, Form::Weight, Form::FactoredReprojected] {
            let case = format!("{dtype:?} {form:?}");
            let module = Drawn::new(&plan(dtype), 3, &device);
            let osft = Osft::split(&module, &OsftConfig::new().with_form(form)).unwrap();
            let module = trained(module, &osft, 1e-2, 20);
            // Rounding in f32: some dozen roundings compared with a change of some tenths.
            assert!(leaked(&osft, &module) < 1e-5, "{case}");
            let finished = osft.finish(module.clone()).unwrap();
            let stored = osft.leaks(&finished).unwrap();
            for (leak, master) in stored
                .layers
                .iter()
                .zip(osft.leaks(&module).unwrap().layers)
            {
                // The error of each value is at most half a unit in its last place, in all directions alike.
                let bound = roundoff(dtype) / master.relative_change + 1e-5;
                let ruled_out = match form {
                    Form::Weight => leak.leak_both,
                    _ => leak.leak_in.max(leak.leak_out),
                };
                assert!(
                    ruled_out > 1e-4 && ruled_out < bound,
                    "{case}: {leak:?} {bound}"
                );
            }
            // The finished weights are those that the module computed with.
            let effective = Everything::of(&module.valid().materialize());
            for (path, parameter) in Everything::of(&finished).parameters {
                assert_eq!(
                    parameter.values, effective.parameters[&path].values,
                    "{case}: {path}"
                );
            }
        }
    }
}

#[test]
fn the_memory_of_a_module_in_two_bytes_is_predicted() {
    let device = Device::flex();
    for form in FORMS {
        for share in [0.0, 0.3, 0.8, 1.0] {
            for decay in [Decay::Change, Decay::Weight] {
                let module = Drawn::new(&plan(DType::BF16), 4, &device);
                let config = OsftConfig::new().with_form(form).with_decay(decay);
                let config = config.with_protected_share(share);
                let planned = Osft::held_numbers_of(&module, &config).unwrap().unwrap();
                let osft = Osft::split(&module, &config).unwrap();
                assert_eq!(osft.held_numbers(), planned, "{form:?} {share} {decay:?}");
                let weights = 12 * 16 + 16 * 8;
                let factored = matches!(form, Form::Factored | Form::FactoredReprojected);
                let attached = osft.trainable_parameters();
                let expected = HeldNumbers {
                    weights: if factored && share < 1.0 { weights } else { 0 },
                    bf16_weights: weights,
                    starts: match factored || decay == Decay::Weight {
                        true => attached,
                        false => 0,
                    },
                    attached,
                    trained: attached,
                    bases: planned.bases,
                };
                assert_eq!(planned, expected, "{form:?} {share} {decay:?}");
                let bytes = 2 * weights + 4 * (planned.weights + planned.starts + planned.bases);
                assert_eq!(planned.bytes(), bytes + 16 * attached);
            }
        }
    }
}

#[test]
fn parameters_that_train_in_two_bytes_cause_a_warning() {
    let device = Device::flex();
    let module = Drawn::new(&plan(DType::BF16), 5, &device);
    let config = OsftConfig::new().with_others(Others::Trained);
    let osft = Osft::split(&module, &config).unwrap();
    let [warning] = osft.warnings() else {
        panic!("{:?}", osft.warnings());
    };
    assert!(warning.starts_with("2 parameters beside the targets train in two bytes"));
    let module = Drawn::new(&plan(DType::F32), 5, &device);
    assert!(Osft::split(&module, &config).unwrap().warnings().is_empty());
}

#[test]
fn inputs_in_two_bytes_are_summed_in_f32() {
    let device = Device::flex();
    let module = Drawn::new(&plan(DType::BF16), 6, &device);
    let config = OsftConfig::new()
        .with_split(SplitSource::Inputs)
        .with_share_rule(ShareRule::energy(0.9))
        .with_targets(["layers.0.weight"]);
    let layer = &module.layers[0];
    let values = noise(8, 4096 * 12, 1.0);
    let inputs =
        Tensor::<2>::from_data(TensorData::new(values, [4096, 12]), (&device, DType::BF16));
    let calibrate = |inputs: &Tensor<2>| {
        let mut calibrator = Calibrator::for_config(&module, &config).unwrap();
        let outputs = inputs
            .clone()
            .matmul(layer.weight.val().inner().cast(inputs.dtype()));
        calibrator
            .observe(inputs, &[(layer.weight.id, outputs)])
            .unwrap();
        calibrator.finish("noise", &module).unwrap()
    };
    let [half, single] = [inputs.clone(), inputs.clone().cast(DType::F32)].map(|inputs| {
        calibrate(&inputs)
            .moment("layers.0.weight")
            .unwrap()
            .trace()
    });
    // The same sums as in f32: a bf16 sum of 4096 squares would stop growing at 256.
    assert_eq!(half, single);
    // The split can be trained.
    let calibration = calibrate(&inputs);
    let context = SplitContext::new().with_calibration(&calibration);
    let osft = Osft::split_in(&module, &config, &context).unwrap();
    let module = trained(module.clone(), &osft, 1e-2, 10);
    assert!(leaked(&osft, &module) < 1e-5);
    let outputs = osft.leaks(&module).unwrap().layers[0].outputs.unwrap();
    assert!(outputs.measured > 0.0 && outputs.measured <= outputs.bound);
}

/// The gradient of a weight in two bytes reaches its core without loss.
#[test]
fn the_core_gradient_is_the_weights_gradient_in_core_coordinates() {
    let device = Device::flex().autodiff();
    let module = Drawn::new(&plan(DType::BF16), 10, &device.clone().inner());
    let osft = Osft::split(&module, &OsftConfig::new()).unwrap();
    let whole = module.gradients(1).remove::<2>(module.layers[0].weight.id);
    let prepared = osft.prepare(module).unwrap();
    let mut grads: GradientsParams = prepared.gradients(1);
    let layer = &osft.layers()[0];
    let attached = prepared.layers[0]
        .weight
        .reparameterization::<FreeCore>()
        .unwrap();
    let core = grads.remove::<2>(attached.core().id).unwrap();
    assert_eq!(core.dtype(), DType::F32);
    let expected = layer.constraint.lower(whole.unwrap().cast(DType::F32));
    let difference = (core - expected.clone()).abs().max().into_scalar::<f32>();
    let largest = expected.abs().max().into_scalar::<f32>();
    // The same bf16 gradient, projected in f32.
    assert!(
        difference < 1e-6 * largest.max(1e-3),
        "{difference} of {largest}"
    );
}
