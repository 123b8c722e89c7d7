//! Modules, splits and inputs of different number types, and quantized ones.

use crate::common::drawn::{Drawn, Everything, leaked, plan, trained};
use crate::common::{FORMS, Mlp, backends};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Device, Tensor};
use osft::{BasePrecision, Decay, Form, FreeCore, Osft, OsftConfig, OsftError, SplitContext};

#[test]
fn linear_leaves_products_in_two_bytes_to_the_layer() {
    let device = Device::flex().autodiff();
    for dtype in [DType::BF16, DType::F64] {
        let module = Drawn::new(&plan(dtype), 7, &device.clone().inner());
        let osft = Osft::split(&module, &OsftConfig::new()).unwrap();
        let module = osft.prepare(module).unwrap();
        let weight = &module.layers[0].weight;
        assert!(weight.reparameterization::<FreeCore>().is_some());
        let x = Tensor::<2>::ones([3, 12], (&device, dtype));
        match Osft::linear(weight, &x) {
            Some(y) => {
                assert_eq!((y.dtype(), dtype), (DType::F64, DType::F64));
                let expected = x.matmul(weight.val());
                let difference = (y - expected).abs().max().into_scalar::<f64>();
                assert!(difference < 1e-14, "{difference}");
            }
            None => assert_eq!(dtype, DType::BF16),
        }
    }
}

#[test]
fn a_loaded_split_of_any_type_trains_the_same() {
    for (dtype, precision) in [
        (DType::F64, BasePrecision::Full),
        (DType::F64, BasePrecision::Bf16),
        (DType::BF16, BasePrecision::Full),
        (DType::F16, BasePrecision::Full),
    ] {
        for form in FORMS {
            let config = OsftConfig::new()
                .with_form(form)
                .with_base_precision(precision);
            let case = format!("{dtype:?} {precision:?} {form:?}");
            let module = Drawn::new(&plan(dtype), 8, &Device::flex());
            let osft = match Osft::split(&module, &config) {
                Ok(osft) => osft,
                Err(OsftError::FactoredBf16) => continue,
                Err(error) => panic!("{case}: {error}"),
            };
            let bytes = osft.to_bytes().unwrap();
            let again = Osft::from_bytes(&bytes, &module, &SplitContext::new()).unwrap();
            let [first, second] = [&osft, &again].map(|osft| {
                let module = trained(module.clone(), osft, 1e-2, 5);
                let worst = osft.leaks(&module).unwrap().worst();
                (Everything::of(&osft.finish(module).unwrap()), worst)
            });
            assert_eq!(first, second, "{case}");
        }
    }
}

#[test]
fn a_quantized_weight_is_left_out_with_a_warning() {
    struct Quantized;
    impl ModuleMapper for Quantized {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            match D {
                2 => param.map(|value| value.quantize_dynamic(&Default::default())),
                _ => param,
            }
        }
    }
    let mut model = Mlp::new(9, &Device::flex());
    model.middle = model.middle.map(&mut Quantized);
    let osft = Osft::split(&model, &OsftConfig::new()).unwrap();
    assert_eq!(osft.layers().len(), 2);
    assert_eq!(
        osft.warnings(),
        ["middle.weight is left as it is: it is frozen"]
    );
    model.middle = Mlp::new(9, &Device::flex()).middle;
    let osft = Osft::split(&model, &OsftConfig::new()).unwrap();
    model.middle = model.middle.map(&mut Quantized);
    let error = osft.prepare(model).unwrap_err();
    assert!(
        matches!(error, OsftError::TrainabilityChanged { .. }),
        "{error}"
    );
}

#[test]
fn a_module_of_another_type_than_the_split_is_measured_and_trained() {
    for (backend, device) in backends() {
        for (of_split, of_module) in [(DType::F32, DType::F64), (DType::F64, DType::F32)] {
            for form in FORMS {
                let case = format!("{backend} {form:?} {of_split:?} {of_module:?}");
                let config = OsftConfig::new().with_form(form);
                let split =
                    Osft::split(&Drawn::new(&plan(of_split), 11, &device), &config).unwrap();
                let module = Drawn::new(&plan(of_module), 11, &device);
                let bytes = split.to_bytes().unwrap();
                let osft = Osft::from_bytes(&bytes, &module, &SplitContext::new()).unwrap();
                // The same numbers, drawn in f32.
                let worst = osft.leaks(&module).unwrap().worst();
                assert_eq!(worst.relative_change, 0.0, "{case}");
                let module = trained(module, &osft, 1e-2, 5);
                assert!(
                    leaked(&osft, &module) < 1e-5 || form == Form::Factored,
                    "{case}"
                );
                let finished = osft.finish(module).unwrap();
                assert_eq!(finished.layers[0].weight.val().dtype(), of_module, "{case}");
                assert!(osft.truncate(finished).is_ok(), "{case}");
            }
        }
    }
}

#[test]
fn a_base_in_two_bytes_of_a_module_of_f64_is_multiplied_by_the_layer() {
    let device = Device::flex().autodiff();
    let module = Drawn::new(&plan(DType::F64), 12, &device.clone().inner());
    let config = OsftConfig::new().with_base_precision(BasePrecision::Bf16);
    let osft = Osft::split(&module, &config).unwrap();
    let module = osft.prepare(module).unwrap();
    let x = Tensor::<2>::ones([3, 12], (&device, DType::F64));
    assert!(Osft::linear(&module.layers[0].weight, &x).is_none());
    // Nor are inputs of another type than the weight.
    let module = Drawn::new(&plan(DType::F32), 12, &device.clone().inner());
    let osft = Osft::split(&module, &OsftConfig::new()).unwrap();
    let module = osft.prepare(module).unwrap();
    assert!(Osft::linear(&module.layers[0].weight, &x).is_none());
    assert!(Osft::linear(&module.layers[0].weight, &x.cast(DType::F32)).is_some());
}

#[test]
fn what_is_cut_from_a_weight_of_f64_is_cut_in_f64() {
    for (backend, device) in backends() {
        for share in [0.0, 1.0] {
            let module = Drawn::new(&plan(DType::F64), 13, &device);
            let third = |module: Drawn| {
                let layers = module.layers.into_iter().map(|mut layer| {
                    layer.weight = layer.weight.map(|weight| (weight / 3.0).detach());
                    layer
                });
                Drawn {
                    layers: layers.collect(),
                    ..module
                }
            };
            let module = third(module);
            let config = OsftConfig::new().with_protected_share(share);
            let osft = Osft::split(&module, &config).unwrap();
            let cut = osft.truncate(module.clone()).unwrap();
            for (cut, layer) in cut.layers.iter().zip(&module.layers) {
                let expected = layer.weight.val() * share;
                let difference = (cut.weight.val() - expected).abs().max();
                assert_eq!(difference.into_scalar::<f64>(), 0.0, "{backend} {share}");
            }
        }
    }
}

#[test]
fn the_error_of_quantizing_can_be_measured() {
    struct Quantized;
    impl ModuleMapper for Quantized {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            match D {
                2 => param.map(|value| value.quantize_dynamic(&Default::default())),
                _ => param,
            }
        }
    }
    let model = Mlp::new(14, &Device::flex());
    let osft = Osft::split(&model, &OsftConfig::new()).unwrap();
    let quantized = model.clone().map(&mut Quantized);
    let worst = osft.leaks(&quantized).unwrap().worst();
    // Eight bits: errors of some thousandths of each weight, in all directions alike.
    assert!(
        worst.relative_change > 1e-4 && worst.relative_change < 0.1,
        "{worst:?}"
    );
    assert!(worst.leak_in > 0.1, "{worst:?}");
    let error = osft.truncate(quantized).unwrap_err();
    assert!(
        matches!(error, OsftError::UnsupportedDType { ref layer, .. } if layer == "first.weight"),
        "{error}"
    );
}

#[test]
fn what_is_held_in_bf16_is_counted_as_planned() {
    let device = Device::flex();
    for dtype in [DType::BF16, DType::F16, DType::F32] {
        for share in [0.0, 0.3, 1.0] {
            let module = Drawn::new(&plan(dtype), 15, &device);
            let config = OsftConfig::new()
                .with_base_precision(BasePrecision::Bf16)
                .with_protected_share(share);
            let planned = Osft::held_numbers_of(&module, &config).unwrap().unwrap();
            let osft = Osft::split(&module, &config).unwrap();
            assert_eq!(osft.held_numbers(), planned, "{dtype:?} {share}");
            let half = dtype != DType::F32 || share == 0.3;
            assert_eq!(planned.weights == 0, half, "{dtype:?} {share}: {planned:?}");
        }
    }
}

#[test]
fn a_split_in_two_bytes_decays_towards_its_own_weight_in_modules_of_any_type() {
    let device = Device::flex();
    for of_split in [DType::BF16, DType::F16] {
        for of_module in [DType::F64, DType::F32, DType::BF16] {
            for form in [Form::Core, Form::Weight] {
                for share in [0.0, 0.5] {
                    let config = OsftConfig::new()
                        .with_form(form)
                        .with_decay(Decay::Weight)
                        .with_protected_share(share);
                    let split = Osft::split(&Drawn::new(&plan(of_split), 16, &device), &config);
                    let bytes = split.unwrap().to_bytes().unwrap();
                    let module = Drawn::new(&plan(of_module), 16, &device);
                    let context = SplitContext::new();
                    let osft = Osft::from_bytes(&bytes, &module, &context).unwrap();
                    let finished = osft.finish(trained(module, &osft, 1e-2, 3)).unwrap();
                    assert_eq!(finished.layers[0].weight.val().dtype(), of_module);
                }
            }
        }
    }
}
