//! Weights held in bf16: what leaks of the f32 master, what rounding adds, and what is held.

#![allow(clippy::unwrap_used)]

mod common;

use burn::module::Module;
use burn::tensor::{DType, Device, FloatDType, Tensor};
use common::{Mlp, adamw, backends, host_leaks, trained, weights_of};
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
fn the_master_stays_inside_and_what_rounding_adds_is_its_own() {
    let device = Device::flex().autodiff();
    let model = Mlp::new(21, &device);
    let osft = Osft::split(&model, &in_bf16(Form::Core)).unwrap();
    // An f32 module is rounded to be held, which is said.
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
    // What is held while it trains: the weight in half of its bytes, the core in f32.
    for layer in [&trained.first, &trained.middle, &trained.last] {
        assert_eq!(layer.weight.base().dtype(), DType::BF16);
        assert_eq!(layer.weight.val().dtype(), DType::F32);
    }
    // As in full precision: rounding of f32 against a change of a tenth of the weights.
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
    // bf16 has 8 bits: a value is off by up to 2^-9 of it, in all directions alike, half of which are
    // protected.
    let stored = osft.leaks(&finished).unwrap();
    for (master, stored) in master.layers.iter().zip(&stored.layers) {
        let rounding = 2.0_f64.powi(-9) / master.relative_change;
        assert!(stored.leak_in > 100.0 * master.leak_in && stored.leak_in < rounding);
        assert!(stored.leak_out > 100.0 * master.leak_out && stored.leak_out < rounding);
    }
    // The next split starts from what is stored, and loses nothing more.
    let next = Osft::split(&finished, &in_bf16(Form::Core)).unwrap();
    assert!(next.warnings().is_empty(), "{:?}", next.warnings());
}

#[test]
fn what_rounding_takes_is_said_beside_a_weight_that_is_zero() {
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
        let [full, held] = [full, in_bf16(form)].map(|config| {
            let osft = Osft::split(&model, &config).unwrap();
            assert!(osft.warnings().is_empty());
            weights_of(&trained(model.clone(), &osft, adamw(), 1e-3, 10, &device).materialize())
        });
        // The bases are the same numbers, W₀ too: what is computed is the same.
        assert_eq!(full, held, "{form:?}");
    }
}

#[test]
fn a_saved_split_holds_what_was_held() {
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
fn what_cannot_be_held_is_refused() {
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
fn what_is_not_held_is_not_rounded() {
    let device = Device::flex().autodiff();
    let model = Mlp::new(25, &device);
    let before = weights_of(&model);
    let folder = tempfile::tempdir().unwrap();
    let cache = SplitCache::in_folder(folder.path());
    // All of a weight is free, none of it is.
    for share in [0.0, 1.0] {
        let config = in_bf16(Form::Core).with_protected_share(share);
        // Made, then found.
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
