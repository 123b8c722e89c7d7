//! Logits, loss, gradients, training steps and generation of every LLaMA-family fixture.

use std::path::{Path, PathBuf};

use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::Device;
use integration_tests::{backends, fixture, gradient_norms, json, tensors};
use lm::{GenerationOptions, HfFolder, LanguageModel, Llama};

/// Against f32 references whose own error is 100 times smaller.
const RELATIVE: f64 = 1e-4;

const REQUIRED: [&str; 3] = ["tiny-llama-gqa", "tiny-llama3-rope", "tiny-mistral-sliding"];

/// The required folders, and every other one of the same layout and family.
fn references() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = REQUIRED.iter().filter_map(|name| fixture(name)).collect();
    let root = folders.first().and_then(|folder| folder.parent());
    let entries = root.map(|root| std::fs::read_dir(root).unwrap());
    let others: Vec<PathBuf> = entries
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("config.json").is_file() && path.join("expected.json").is_file())
        .filter(|path| {
            let family = &json(&path.join("config.json"))["model_type"];
            matches!(family.as_str(), Some("llama" | "mistral"))
        })
        .filter(|path| !folders.contains(path))
        .collect();
    folders.extend(others);
    folders
}

/// Rows without their padding, and `(row, position, token)` of every counted target.
struct Batch {
    rows: Vec<Vec<u32>>,
    targets: Vec<(usize, usize, u32)>,
    width: usize,
}

fn batch(folder: &Path) -> Batch {
    let file = tensors(&folder.join("expected.safetensors"));
    let (shape, ids) = &file["input_ids"];
    let (_, mask) = &file["attention_mask"];
    let (_, labels) = &file["labels"];
    let width = shape[1];
    let mut rows = Vec::new();
    let mut targets = Vec::new();
    for row in 0..shape[0] {
        let range = row * width..(row + 1) * width;
        let length = mask[range.clone()].iter().filter(|&&m| m == 1.0).count();
        assert!(mask[range.clone()][..length].iter().all(|&m| m == 1.0));
        rows.push(
            ids[range.clone()][..length]
                .iter()
                .map(|&id| id as u32)
                .collect(),
        );
        for (position, &label) in labels[range].iter().enumerate().skip(1) {
            if label >= 0.0 {
                targets.push((row, position - 1, label as u32));
            }
        }
    }
    Batch {
        rows,
        targets,
        width,
    }
}

fn close(found: f64, expected: f64, scale: f64) -> bool {
    (found - expected).abs() <= RELATIVE * scale
}

fn mean_loss(model: &Llama, batch: &Batch) -> burn::tensor::Tensor<1> {
    model.loss_at(&batch.rows, &batch.targets) / batch.targets.len() as f64
}

#[test]
fn parity_logits_loss_and_gradients() {
    for folder in references() {
        let name = folder.display().to_string();
        let expected = json(&folder.join("expected.json"));
        let file = tensors(&folder.join("expected.safetensors"));
        let batch = batch(&folder);
        for (backend, device) in backends() {
            let model = HfFolder::open(&folder)
                .unwrap()
                .load_llama(&device.autodiff())
                .unwrap();
            let (shape, reference) = &file["logits"];
            let logits = model.logits(&batch.rows);
            let [_, tokens, vocabulary] = logits.dims();
            let logits: Vec<f64> = logits.into_data().iter::<f64>().collect();
            let scale = reference.iter().fold(0.0_f64, |a, v| a.max(v.abs()));
            for (row, ids) in batch.rows.iter().enumerate() {
                for position in 0..ids.len() {
                    for token in 0..vocabulary {
                        let found = logits[(row * tokens + position) * vocabulary + token];
                        let wanted = reference[(row * shape[1] + position) * shape[2] + token];
                        assert!(
                            close(found, wanted, scale),
                            "{name} {backend} row {row} position {position} token {token}: \
                             {found} instead of {wanted}"
                        );
                    }
                }
            }
            assert_eq!(shape[1], batch.width);

            let loss = mean_loss(&model, &batch);
            let value = f64::from(loss.clone().into_scalar::<f32>());
            let wanted = expected["loss"].as_f64().unwrap();
            assert!(
                close(value, wanted, wanted),
                "{name} {backend} loss {value}, not {wanted}"
            );

            let grads = GradientsParams::from_grads(loss.backward(), &model);
            let norms = gradient_norms(&model, &grads);
            let wanted = expected["grad_l2"].as_object().unwrap();
            assert_eq!(
                norms.len(),
                wanted.len(),
                "{name}: parameters with a gradient"
            );
            for (path, found) in norms {
                let path = path.replace("gamma", "weight");
                let key = match path.starts_with("lm_head") {
                    true => path,
                    false => format!("model.{path}"),
                };
                let wanted = wanted[&key].as_f64().unwrap();
                assert!(
                    close(found, wanted, wanted),
                    "{name} {backend} gradient of {key}: {found}, not {wanted}"
                );
            }
        }
    }
}

fn losses(mut model: Llama, batch: &Batch, mut optimizer: ModuleOptimizer, lr: f64) -> Vec<f64> {
    let mut losses = Vec::new();
    for step in 0..6 {
        let loss = mean_loss(&model, batch);
        losses.push(f64::from(loss.clone().into_scalar::<f32>()));
        if step < 5 {
            let grads = GradientsParams::from_grads(loss.backward(), &model);
            model = optimizer.step(lr, model, grads);
        }
    }
    losses
}

#[test]
fn parity_training_steps() {
    for folder in references() {
        let expected = json(&folder.join("expected.json"));
        let batch = batch(&folder);
        let load = |device: &Device| {
            let device = device.clone().autodiff();
            HfFolder::open(&folder)
                .unwrap()
                .load_llama(&device)
                .unwrap()
        };
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
                    continue;
                };
                let found = losses(load(&device), &batch, optimizer, lr);
                for (step, (found, wanted)) in found.iter().zip(wanted).enumerate() {
                    let wanted = wanted.as_f64().unwrap();
                    // AdamW divides by the square root of second moments that start near zero,
                    // which amplifies the rounding of the gradients tenfold.
                    assert!(
                        close(*found, wanted, 10.0 * wanted),
                        "{} {backend} {key} step {step}: {found}, not {wanted}",
                        folder.display()
                    );
                }
            }
        }
    }
}

#[test]
fn parity_greedy_continuation_with_and_without_cache() {
    for folder in references() {
        let expected = json(&folder.join("expected.json"));
        let greedy: Vec<u32> = expected["greedy_ids"][0]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_u64().unwrap() as u32)
            .collect();
        let (prompt, continuation) = greedy.split_at(10);
        let source = HfFolder::open(&folder).unwrap();
        for (backend, device) in backends() {
            let model = source.load_llama(&device).unwrap();
            for use_cache in [true, false] {
                let mut options =
                    GenerationOptions::greedy(continuation.len(), source.stop_tokens());
                options.min_new_tokens = continuation.len();
                options.use_cache = use_cache;
                // A longer and a shorter neighbour, so that the row is padded in the batch.
                let longer = [prompt, &continuation[..5]].concat();
                let prompts = [prompt.to_vec(), longer, prompt[..3].to_vec()];
                let found = model.generate(&prompts, &options);
                assert_eq!(
                    found[0],
                    continuation,
                    "{} {backend} cache {use_cache}",
                    folder.display()
                );
                assert_eq!(found[1][..7], continuation[5..]);
            }
        }
    }
}
