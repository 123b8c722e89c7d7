//! Splits by the inputs and the gradients: which directions do not move, and what is saved of them.

use crate::common::host::{host, svd};
use crate::common::{Mlp, adamw, backends, batch, trained};
use burn::module::ParamId;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use faer::Mat;
use osft::{
    Calibration, Calibrator, Form, Osft, OsftConfig, OsftError, ShareRule, SplitContext,
    SplitSource,
};

/// A quarter of the directions of each side.
fn config() -> OsftConfig {
    OsftConfig::new()
        .with_split(SplitSource::InputsAndGradients)
        .with_protected_share(0.25)
}

/// Gradients of every row of a batch, of the last layer first.
fn gradients(model: &Mlp, seed: u64, device: &Device) -> Vec<[(ParamId, Tensor<2>); 3]> {
    let (x, y) = batch(seed, device);
    let rows = (0..8).map(|row| {
        let (x, y) = (x.clone().narrow(0, row, 1), y.clone().narrow(0, row, 1));
        let loss = (model.forward(x) - y).square().sum();
        let grads = GradientsParams::from_grads(loss.backward(), model);
        [&model.last, &model.middle, &model.first].map(|layer| {
            let id = layer.weight.id;
            (id, grads.get::<2>(id).unwrap())
        })
    });
    rows.collect()
}

fn observed(mut calibrator: Calibrator, model: &Mlp, seed: u64, device: &Device) -> Calibrator {
    let (mut x, _) = batch(seed, device);
    for layer in [&model.first, &model.middle, &model.last] {
        let y = layer.forward(x.clone());
        let outputs = [(layer.weight.id, y.clone())];
        calibrator.observe(&x, &outputs).unwrap();
        x = y.tanh();
    }
    calibrator
}

fn calibrated(model: &Mlp, seed: u64, sketch: bool, device: &Device) -> Calibration {
    let mut calibrator = Calibrator::for_config(model, &config()).unwrap();
    assert!(calibrator.reads_gradients());
    if sketch {
        calibrator = calibrator.with_sketch(14, 6);
    }
    let mut calibrator = observed(calibrator, model, seed, device);
    for row in gradients(model, seed, device) {
        calibrator.observe_gradients(&row).unwrap();
    }
    calibrator.finish("noise", model).unwrap()
}

/// The `k` eigenvectors with the largest eigenvalues of the sum of `Gᵀ G` over rows, as columns.
fn top_outputs(gradients: &[Mat<f64>], k: usize) -> Mat<f64> {
    let d = gradients[0].ncols();
    let zero = Mat::<f64>::zeros(d, d);
    let sum = gradients
        .iter()
        .fold(zero, |sum, g| sum + g.transpose() * g);
    svd(&sum).U().subcols(0, k).to_owned()
}

#[test]
fn what_carries_energy_or_gradients_does_not_move_and_in_the_weight_form_what_carries_both() {
    for (backend, device) in backends() {
        let device = device.autodiff();
        let model = Mlp::new(3, &device);
        let calibration = calibrated(&model, 7, false, &device);
        let context = SplitContext::new().with_calibration(&calibration);
        let of_last: Vec<Mat<f64>> = gradients(&model, 7, &device)
            .iter()
            .map(|row| host(&row[0].1.clone().inner()))
            .collect();
        let outputs = top_outputs(&of_last, 3);
        for form in [Form::Core, Form::Weight, Form::FactoredReprojected] {
            let case = format!("{backend} {form:?}");
            let osft = Osft::split_in(&model, &config().with_form(form), &context).unwrap();
            let last = &osft.layers()[2];
            assert_eq!([last.k_in, last.k_out], [10, 3], "{case}");
            let start = host(&model.last.weight.val().inner());
            let after = trained(model.clone(), &osft, adamw(), 1e-2, 6, &device);
            let leaks = osft.leaks(&after).unwrap();
            let worst = leaks.worst();
            let after = osft.finish(after).unwrap();
            let change = host(&after.last.weight.val().inner()) - start;
            // The bases are f32: 1e-5 of the change is some ten roundings.
            let small = 1e-5 * change.norm_l2();
            let towards_gradients = &change * &outputs;
            assert!(change.norm_l2() > 1e-2, "{case}");
            match form {
                Form::Weight => {
                    assert!(worst.leak_both < 1e-5, "{case} {worst:?}");
                    assert!(
                        towards_gradients.norm_l2() > 0.01 * change.norm_l2(),
                        "{case}"
                    );
                }
                _ => {
                    assert!(
                        worst.leak_in < 1e-5 && worst.leak_out < 1e-5,
                        "{case} {worst:?}"
                    );
                    assert!(towards_gradients.norm_l2() < small, "{case}");
                }
            }
        }
    }
}

#[test]
fn each_side_follows_the_rule_by_its_own_energies() {
    let device = Device::flex().autodiff();
    let model = Mlp::new(3, &device);
    let calibration = calibrated(&model, 7, false, &device);
    let context = SplitContext::new().with_calibration(&calibration);
    let config = config().with_share_rule(ShareRule::energy(0.9));
    let osft = Osft::split_in(&model, &config, &context).unwrap();
    let rows = gradients(&model, 7, &device);
    for (index, layer) in osft.layers().iter().enumerate() {
        let gradients: Vec<Mat<f64>> = rows
            .iter()
            .map(|row| host(&row[2 - index].1.clone().inner()))
            .collect();
        let total: f64 = gradients.iter().map(Mat::squared_norm_l2).sum();
        let share = |k: usize| {
            let top = top_outputs(&gradients, k);
            let inside = gradients.iter().map(|g| (g * &top).squared_norm_l2());
            inside.sum::<f64>() / total
        };
        // The products are f32 sums.
        assert!(share(layer.k_out) > 0.9 - 1e-5, "{}", layer.path);
        assert!(share(layer.k_out - 1) < 0.9 + 1e-5, "{}", layer.path);
        let protected = layer.protected_input_energy().unwrap();
        assert!(protected >= 0.9 - 1e-6, "{}", layer.path);
        assert!((layer.protected_energy() - protected).abs() < 1e-6);
    }
}

#[test]
fn moments_of_gradients_are_saved_averaged_and_sketched() {
    let device = Device::flex().autodiff();
    let model = Mlp::new(3, &device);
    for sketch in [false, true] {
        let [first, second] = [7, 8].map(|seed| calibrated(&model, seed, sketch, &device));
        let again = Calibration::from_bytes(&first.to_bytes().unwrap()).unwrap();
        assert_eq!(again, first);
        let mut mean = first.clone();
        mean.absorb(&second).unwrap();
        assert_ne!(mean, first);

        // Both batches are equally large, so their mean is that of all rows together.
        let mut calibrator = Calibrator::for_config(&model, &config()).unwrap();
        if sketch {
            calibrator = calibrator.with_sketch(14, 6);
        }
        for seed in [7, 8] {
            calibrator = observed(calibrator, &model, seed, &device);
            for row in gradients(&model, seed, &device) {
                calibrator.observe_gradients(&row).unwrap();
            }
        }
        let together = calibrator.finish("noise", &model).unwrap();
        let [mean, together] = [&mean, &together].map(|calibration| {
            let context = SplitContext::new().with_calibration(calibration);
            let osft = Osft::split_in(&model, &config(), &context).unwrap();
            let bytes = osft.to_bytes().unwrap();
            let loaded = Osft::from_bytes(&bytes, &model, &context).unwrap();
            assert_eq!(loaded.summary(), osft.summary());
            osft
        });
        // A sketch depends on the order of what it saw; the exact moment does not.
        if !sketch {
            for (a, b) in mean.layers().iter().zip(together.layers()) {
                for (a, b) in a.energies.iter().zip(&b.energies) {
                    assert!((a - b).abs() < 1e-6 * a.max(1.0), "{a} {b}");
                }
            }
        }
    }
}

#[test]
fn a_calibration_without_gradients_is_refused() {
    let device = Device::flex().autodiff();
    let model = Mlp::new(3, &device);
    let calibrator = Calibrator::for_config(&model, &config()).unwrap();
    let error = observed(calibrator, &model, 1, &device).finish("noise", &model);
    assert!(matches!(error, Err(OsftError::NoGradients { .. })));

    let inputs = OsftConfig::new().with_split(SplitSource::Inputs);
    let calibrator = Calibrator::for_config(&model, &inputs).unwrap();
    let without = observed(calibrator, &model, 1, &device).finish("noise", &model);
    let without = without.unwrap();
    let context = SplitContext::new().with_calibration(&without);
    let error = Osft::split_in(&model, &config(), &context).unwrap_err();
    assert!(matches!(error, OsftError::NoGradients { .. }), "{error}");
    let mut with = calibrated(&model, 7, false, &device);
    let before = with.clone();
    let error = with.absorb(&without).unwrap_err();
    assert!(
        matches!(error, OsftError::OtherCalibration { .. }),
        "{error}"
    );
    assert_eq!(with, before);
}
