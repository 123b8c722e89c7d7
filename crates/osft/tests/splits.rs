//! Splits of degenerate weights, errors, and the algebra of a constraint.

use crate::common::{Mlp, backends, noise};
use burn::module::Param;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};
use osft::{Form, Osft, OsftConfig, OsftError, ShareRule};
use proptest::prelude::*;

fn linear(values: Vec<f32>, d_in: usize, d_out: usize, device: &Device) -> Linear {
    let mut linear = LinearConfig::new(d_in, d_out).with_bias(false).init(device);
    linear.weight = Param::from_data(TensorData::new(values, [d_in, d_out]), device);
    linear
}

fn dense(values: &[f32], shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

fn largest(tensor: Tensor<2>) -> f32 {
    if tensor.shape().num_elements() == 0 {
        return 0.0;
    }
    tensor.abs().max().into_scalar::<f32>()
}

#[test]
fn a_pattern_that_matches_nothing_is_an_error_that_lists_the_parameters() {
    let model = Mlp::new(1, &Device::flex());
    let config = OsftConfig::new().with_targets(["first.weight$", "q_proj"]);
    let error = Osft::split(&model, &config).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, OsftError::NoTarget { ref pattern, .. } if pattern == "q_proj"));
    assert!(
        text.contains("q_proj") && text.contains("middle.weight"),
        "{text}"
    );
}

#[test]
fn invalid_configurations_are_typed_errors() {
    let model = Mlp::new(1, &Device::flex());
    let split = |config: OsftConfig| Osft::split(&model, &config).unwrap_err();
    let pattern = split(OsftConfig::new().with_targets(["(unclosed"]));
    assert!(matches!(pattern, OsftError::InvalidPattern { .. }));
    let none = split(OsftConfig::new().with_targets(Vec::<String>::new()));
    assert!(matches!(none, OsftError::NoPattern));
    let share = split(OsftConfig::new().with_protected_share(1.5));
    assert!(matches!(share, OsftError::ShareOutOfRange { share } if share == 1.5));
}

#[test]
fn errors_about_non_finite_weights_name_layer_and_position() {
    for (_, device) in backends() {
        let mut model = Mlp::new(1, &device);
        let mut values = noise(5, 16 * 40, 1.0);
        values[2 * 40 + 3] = f32::NAN;
        values[15 * 40] = f32::INFINITY;
        model.middle.weight = Param::from_data(TensorData::new(values, [16, 40]), &device);
        match Osft::split(&model, &OsftConfig::new()).unwrap_err() {
            OsftError::NonFinite {
                layer,
                count,
                row,
                column,
                ..
            } => {
                assert_eq!(
                    (layer.as_str(), count, row, column),
                    ("middle.weight", 2, 2, 3)
                );
            }
            other => panic!("unexpected {other}"),
        }
    }
}

#[test]
fn another_module_cannot_be_measured() {
    let device = Device::flex();
    let osft = Osft::split(&Mlp::new(1, &device), &OsftConfig::new()).unwrap();
    let other = linear(noise(1, 12, 1.0), 3, 4, &device);
    let error = osft.leaks(&other).unwrap_err();
    assert!(
        matches!(error, OsftError::OtherModule { ref layer, d_in: 16, d_out: 16 } if layer == "first.weight"),
        "{error}"
    );
}

#[test]
fn weights_with_zero_repeated_or_single_singular_values_can_be_split() {
    let identity = |n: usize| {
        (0..n * n)
            .map(|i| f32::from(u8::from(i % (n + 1) == 0)))
            .collect()
    };
    for (backend, device) in backends() {
        for share in [0.0, 0.3, 0.5, 0.8, 1.0] {
            let cases: [(Vec<f32>, usize, usize); 5] = [
                (vec![0.0; 35], 5, 7),
                (noise(1, 9, 1.0), 1, 9),
                (noise(2, 9, 1.0), 9, 1),
                (identity(6), 6, 6),
                (vec![3.0], 1, 1),
            ];
            for (values, d_in, d_out) in cases {
                let model = linear(values, d_in, d_out, &device);
                let config = OsftConfig::new().with_protected_share(share);
                let osft = Osft::split(&model, &config).unwrap();
                let layer = &osft.layers()[0];
                let k = (share * d_in.min(d_out) as f64 + 1e-6).floor() as usize;
                assert_eq!((layer.k_in, layer.k_out), (k, k));
                let change = dense(&noise(3, d_in * d_out, 1.0), [d_in, d_out], &device);
                let moved = layer.constraint.lift(layer.constraint.lower(change));
                let again = layer.constraint.lift(layer.constraint.lower(moved.clone()));
                assert!(
                    largest(again - moved) < 1e-6,
                    "{backend} [{d_in}, {d_out}] share {share}: not a projection"
                );
            }
        }
    }
}

#[test]
fn the_table_has_one_line_per_layer_and_the_total() {
    let osft = Osft::split(&Mlp::new(1, &Device::flex()), &OsftConfig::new()).unwrap();
    let table = osft.to_string();
    assert_eq!(table.lines().count(), 5, "{table}");
    assert!(table.contains("8/40"), "{table}");
    // (16-8)² + (16-8)(40-8) + (40-6)(12-6)
    assert!(
        table.ends_with("524 of 1376 degrees of freedom are free"),
        "{table}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn lower_and_lift_are_adjoint_and_stay_inside_the_free_space(
        d_in in 1usize..14,
        d_out in 1usize..14,
        share in 0.0f64..=1.0,
        seed in 0u64..1000,
    ) {
        let device = Device::flex();
        let model = linear(noise(seed, d_in * d_out, 1.0), d_in, d_out, &device);
        let config = OsftConfig::new().with_protected_share(share);
        let osft = Osft::split(&model, &config).unwrap();
        let layer = &osft.layers()[0];
        let gradient = dense(&noise(seed + 1, d_in * d_out, 1.0), [d_in, d_out], &device);
        let core = layer.constraint.lower(gradient.clone());
        prop_assert_eq!(core.dims(), layer.constraint.core_shape([d_in, d_out]));
        prop_assert_eq!(layer.constraint.is_closed(), layer.k_in == d_in.min(d_out));
        if layer.constraint.is_closed() {
            prop_assert_eq!(core.shape().num_elements(), 0);
            return Ok(());
        }
        let change = layer.constraint.lift(core.clone());
        // ⟨G, N C Nᵀ⟩ = ⟨Nᵀ G N, C⟩; sums of up to 169 terms of order 1 in f32.
        let dense_side = (gradient * change.clone()).sum().into_scalar::<f32>();
        let core_side = (core.clone() * core).sum().into_scalar::<f32>();
        prop_assert!((dense_side - core_side).abs() < 1e-4, "{dense_side} {core_side}");
        // Protected inputs have no change: Wᵀ's top left vectors applied to ΔW.
        let w = faer::Mat::from_fn(d_in, d_out, |i, j| {
            f64::from(noise(seed, d_in * d_out, 1.0)[i * d_out + j])
        });
        let svd = w.thin_svd().unwrap();
        let values: Vec<f32> = change.into_data().try_into_vec().unwrap();
        let delta = faer::Mat::from_fn(d_in, d_out, |i, j| f64::from(values[i * d_out + j]));
        let leak_in = (svd.U().subcols(0, layer.k_in).transpose() * &delta).norm_l2();
        let leak_out = (&delta * svd.V().subcols(0, layer.k_out)).norm_l2();
        prop_assert!(leak_in < 1e-5 && leak_out < 1e-5, "{leak_in} {leak_out}");
    }
}

#[test]
fn values_whose_squares_overflow_are_refused_with_the_layers_name() {
    for (backend, device) in backends() {
        for size in [1e38, 3.3e38] {
            let model = linear(noise(4, 64, 1.0), 8, 8, &device);
            let model = Linear {
                weight: model.weight.map(|weight| weight.sign() * size),
                ..model
            };
            for form in [Form::Core, Form::Weight, Form::Factored] {
                let error = Osft::split(&model, &OsftConfig::new().with_form(form)).unwrap_err();
                let is_expected =
                    matches!(error, OsftError::OutOfScale { ref layer, .. } if layer == "weight");
                assert!(is_expected, "{backend} {size}: {error}");
            }
        }
        // Small values are ordinary weights.
        for size in [1e-30, 1e30] {
            let model = linear(noise(4, 64, 1.0), 8, 8, &device);
            let model = Linear {
                weight: model.weight.map(|weight| weight * size),
                ..model
            };
            let config = OsftConfig::new().with_share_rule(ShareRule::energy(0.9));
            let osft = Osft::split(&model, &config).unwrap();
            let k = osft.layers()[0].k_in;
            assert!(k > 1 && k < 8, "{backend} {size}: {k}");
        }
    }
}

#[test]
fn a_fully_protected_layer_is_not_truncated() {
    for (backend, device) in backends() {
        let model = linear(noise(5, 32, 1.0), 8, 4, &device);
        let other = linear(noise(6, 32, 1.0), 8, 4, &device);
        for form in [Form::Core, Form::Weight] {
            let config = OsftConfig::new().with_form(form).with_protected_share(1.0);
            let osft = Osft::split(&model, &config).unwrap();
            assert_eq!(osft.free_parameters(), 0);
            for model in [&model, &other] {
                let cut = osft.truncate(model.clone()).unwrap();
                let difference = largest(cut.weight.val() - model.weight.val());
                assert_eq!(difference, 0.0, "{backend} {form:?}");
            }
            let constraint = &osft.layers()[0].constraint;
            let change = dense(&noise(7, 32, 1.0), [8, 4], &device);
            let lowered = constraint.lift(constraint.lower(change));
            assert_eq!(largest(lowered), 0.0, "{backend} {form:?}");
        }
    }
}

#[test]
fn missing_directions_do_not_change_the_effective_rank() {
    for (backend, device) in backends() {
        // Four equal singular values of eight, rotated in f32: the others are rounding.
        let left = host_basis(&noise(8, 64, 1.0));
        let right = host_basis(&noise(9, 64, 1.0));
        let values: Vec<f32> = (0..64)
            .map(|at| {
                let (i, j) = (at / 8, at % 8);
                let sum: f64 = (0..4).map(|c| left[(i, c)] * right[(j, c)]).sum();
                sum as f32
            })
            .collect();
        let model = linear(values, 8, 8, &device);
        let config = OsftConfig::new().with_share_rule(ShareRule::effective_rank());
        let osft = Osft::split(&model, &config).unwrap();
        assert_eq!(osft.layers()[0].k_in, 4, "{backend}");
    }
}

fn host_basis(values: &[f32]) -> faer::Mat<f64> {
    let matrix = faer::Mat::from_fn(8, 8, |i, j| f64::from(values[i * 8 + j]));
    matrix.thin_svd().unwrap().U().to_owned()
}
