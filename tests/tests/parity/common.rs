//! What the parity tests of the model families share.

use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Tensor};
use integration_tests::{backends, gradient_norms};
use lm::{HfFolder, Pretrained};
use serde_json::Value;

/// Against f32 references whose own error is 100 times smaller.
pub const RELATIVE: f64 = 1e-4;

pub fn close(found: f64, expected: f64, scale: f64) -> bool {
    (found - expected).abs() <= RELATIVE * scale
}

/// Compares loss and gradient norms; `key` gives a parameter's name in the reference.
pub fn check_loss_and_gradients<M: Pretrained>(
    what: &str,
    model: &M,
    loss: Tensor<1>,
    expected: &Value,
    key: &dyn Fn(&str) -> String,
) {
    let value = f64::from(loss.clone().into_scalar::<f32>());
    let wanted = expected["loss"].as_f64().unwrap();
    // Of a target that is all but certain, f32 knows the missing probability, which is about the loss
    // and scales the gradients, to 2^-23 only; the reference too.
    let scale = 1.0 + 2.0_f64.powi(-23) / wanted / RELATIVE;
    assert!(
        close(value, wanted, wanted * scale),
        "{what} loss {value}, not {wanted}"
    );
    let grads = GradientsParams::from_grads(loss.backward(), model);
    let norms = gradient_norms(model, &grads);
    let wanted = expected["grad_l2"].as_object().unwrap();
    assert_eq!(
        norms.len(),
        wanted.len(),
        "{what}: parameters with a gradient"
    );
    for (path, found) in norms {
        let key = key(&path.replace("gamma", "weight"));
        let wanted = wanted[&key].as_f64().unwrap();
        assert!(
            close(found, wanted, wanted * scale),
            "{what} gradient of {key}: {found}, not {wanted}"
        );
    }
}

/// Compares the losses along five whole-batch steps of SGD and of AdamW, where the fixture has them: all
/// with random weights do.
pub fn check_training_steps<M: Pretrained>(
    source: &HfFolder,
    expected: &Value,
    mean_loss: &dyn Fn(&M) -> Tensor<1>,
) {
    let load = |device: &Device| source.load::<M>(&device.clone().autodiff()).unwrap().model;
    for (backend, device) in backends() {
        let adamw = AdamWConfig::new()
            .with_epsilon(1e-8)
            .with_weight_decay(0.01);
        let runs = [
            ("losses_sgd_lr0.05", SgdConfig::new().init(), 0.05),
            ("losses_adamw_lr0.003_wd0.01", adamw.init(), 0.003),
        ];
        for (key, optimizer, lr) in runs {
            let Some(wanted) = expected[key].as_array() else {
                let name = source.path().file_name().unwrap().to_string_lossy();
                assert!(!name.starts_with("tiny-"), "{name} has no {key}");
                continue;
            };
            let found = losses(load(&device), mean_loss, optimizer, lr);
            assert_eq!(found.len(), wanted.len());
            for (step, (found, wanted)) in found.iter().zip(wanted).enumerate() {
                let wanted = wanted.as_f64().unwrap();
                // AdamW divides by the square root of second moments that start near zero,
                // which amplifies the rounding of the gradients tenfold.
                assert!(
                    close(*found, wanted, 10.0 * wanted),
                    "{} {backend} {key} step {step}: {found}, not {wanted}",
                    source.path().display()
                );
            }
        }
    }
}

fn losses<M: Pretrained>(
    mut model: M,
    mean_loss: &dyn Fn(&M) -> Tensor<1>,
    mut optimizer: ModuleOptimizer,
    lr: f64,
) -> Vec<f64> {
    let mut losses = Vec::new();
    for step in 0..6 {
        let loss = mean_loss(&model);
        losses.push(f64::from(loss.clone().into_scalar::<f32>()));
        if step < 5 {
            let grads = GradientsParams::from_grads(loss.backward(), &model);
            model = optimizer.step(lr, model, grads);
        }
    }
    losses
}
