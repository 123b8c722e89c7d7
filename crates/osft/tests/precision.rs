//! Weights stored in bf16: the leak of the f32 sum, the rounding error, and the memory.

use crate::common::{Mlp, adamw, backends, host_leaks, trained, weights_of};
use burn::module::Module;
use burn::tensor::{DType, Device, FloatDType, Tensor};
use osft::{BasePrecision, Form, Osft, OsftConfig, OsftError, SplitCache, SplitContext};

fn in_bf16(form: Form) -> OsftConfig {
    let config = OsftConfig::new().with_form(form);
    config.with_base_precision(BasePrecision::Bf16)
}

fn rounded(values: &[f32]) -> Vec<f32> {
    let device = Device::flex();
    let tensor = Tensor::<1>::from_floats(values, &device).cast(FloatDType::BF16);
    tensor
        .cast(FloatDType::F32)
        .into_data()
        .try_into_vec()
        .unwrap()
}

#[test]
fn the_f32_weights_leak_nothing_and_rounding_to_bf16_is_measured_separately() {
    let device = Device::flex().autodiff();
    let model = Mlp::new(21, &device);
    let osft = Osft::split(&model, &in_bf16(Form::Core)).unwrap();
    // Rounding an f32 module causes a warning.
    let [warning] = osft.warnings() else {
        panic!("{:?}", osft.warnings());
    };
    assert!(warning.contains("rounded to bf16"), "{warning}");

    let start: Vec<_> = weights_of(&model)
        .into_iter()
        .map(|mut weight| {
            weight.values = rounded(&weight.values);
            weight
        })
        .collect();
    let trained = trained(model, &osft, adamw(), 1e-3, 100, &device);
    // During training, the weight takes half of its bytes, and the core is f32.
    for layer in [&trained.first, &trained.middle, &trained.last] {
        assert_eq!(layer.weight.base().dtype(), DType::BF16);
        assert_eq!(layer.weight.val().dtype(), DType::F32);
    }
    // As in full precision: f32 rounding relative to a change of a tenth of the weights.
    let master = osft.leaks(&trained).unwrap();
    assert!(master.worst().leak_in < 5e-6 && master.worst().leak_out < 5e-6);
    for (input, output) in host_leaks(&start, &weights_of(&trained.clone().materialize()), 0.5) {
        assert!(input < 5e-6 && output < 5e-6, "{input} {output}");
    }

    let finished = osft.finish(trained.clone()).unwrap();
    for (stored, master) in weights_of(&finished)
        .iter()
        .zip(weights_of(&trained.materialize()))
    {
        assert_eq!(stored.values, rounded(&master.values));
    }
    // bf16 has 8 bits: the error of a value is up to 2^-9 of it, in all directions alike, half of which are
    // protected.
    let stored = osft.leaks(&finished).unwrap();
    for (master, stored) in master.layers.iter().zip(&stored.layers) {
        let rounding = 2.0_f64.powi(-9) / master.relative_change;
        assert!(stored.leak_in > 100.0 * master.leak_in && stored.leak_in < rounding);
        assert!(stored.leak_out > 100.0 * master.leak_out && stored.leak_out < rounding);
    }
    // The next split starts from the stored weights and loses nothing more.
    let next = Osft::split(&finished, &in_bf16(Form::Core)).unwrap();
    assert!(next.warnings().is_empty(), "{:?}", next.warnings());
}

#[test]
fn the_rounding_warning_ignores_zero_weights() {
    let device = Device::flex();
    let mut model = Mlp::new(26, &device);
    model.first.weight = model.first.weight.map(|weight| weight.zeros_like());
    let osft = Osft::split(&model, &in_bf16(Form::Core)).unwrap();
    let [warning] = osft.warnings() else {
        panic!("{:?}", osft.warnings());
    };
    assert!(!warning.contains("first.weight"), "{warning}");
}

#[test]
fn a_module_of_bf16_values_trains_as_in_full_precision() {
    let device = Device::flex().autodiff();
    for form in [Form::Core, Form::Weight] {
        let full = OsftConfig::new().with_form(form);
        let model = Mlp::new(22, &device);
        let coarse = Osft::split(&model, &in_bf16(form)).unwrap();
        let model = coarse.finish(coarse.prepare(model).unwrap()).unwrap();
        let [full, rounded] = [full, in_bf16(form)].map(|config| {
            let osft = Osft::split(&model, &config).unwrap();
            assert!(osft.warnings().is_empty());
            weights_of(&trained(model.clone(), &osft, adamw(), 1e-3, 10, &device).materialize())
        });
        // Bases and W₀ are the same numbers, so the computation is the same.
        assert_eq!(full, rounded, "{form:?}");
    }
}

#[test]
fn a_saved_split_keeps_its_bf16_weights() {
    let device = Device::flex().autodiff();
    let model = Mlp::new(23, &device);
    let osft = Osft::split(&model, &in_bf16(Form::Core)).unwrap();
    let bytes = osft.to_bytes().unwrap();
    let full = Osft::split(&model, &OsftConfig::new()).unwrap();
    assert!(bytes.len() < full.to_bytes().unwrap().len());
    let again = Osft::from_bytes(&bytes, &model, &SplitContext::new()).unwrap();
    let [first, second] = [&osft, &again].map(|osft| {
        let model = trained(model.clone(), osft, adamw(), 1e-3, 5, &device);
        assert_eq!(model.first.weight.base().dtype(), DType::BF16);
        weights_of(&osft.finish(model).unwrap())
    });
    assert_eq!(first, second);
}

#[test]
fn unsupported_bf16_configurations_are_refused() {
    for (backend, device) in backends() {
        let model = Mlp::new(24, &device);
        let split = Osft::split(&model, &in_bf16(Form::Core));
        match backend {
            "ndarray" => assert!(matches!(split, Err(OsftError::NoBf16))),
            _ => assert!(split.is_ok()),
        }
        for form in [Form::Factored, Form::FactoredReprojected] {
            let split = Osft::split(&model, &in_bf16(form));
            assert!(matches!(split, Err(OsftError::FactoredBf16)));
        }
    }
}

#[test]
fn weights_without_a_core_are_not_rounded() {
    let device = Device::flex().autodiff();
    let model = Mlp::new(25, &device);
    let before = weights_of(&model);
    let folder = tempfile::tempdir().unwrap();
    let cache = SplitCache::in_folder(folder.path());
    // Everything is free, nothing is free.
    for share in [0.0, 1.0] {
        let config = in_bf16(Form::Core).with_protected_share(share);
        // First made, then loaded from the cache.
        for _ in 0..2 {
            let context = SplitContext::new().with_cache(&cache);
            let osft = Osft::split_in(&model, &config, &context).unwrap();
            let prepared = osft.prepare(model.clone()).unwrap();
            assert_eq!(prepared.first.weight.base().dtype(), DType::F32);
            assert_eq!(osft.leaks(&prepared).unwrap().worst().relative_change, 0.0);
            let finished = osft.finish(prepared).unwrap();
            assert_eq!(weights_of(&finished), before, "share {share}");
            assert_eq!(osft.leaks(&finished).unwrap().worst().relative_change, 0.0);
        }
    }
}
