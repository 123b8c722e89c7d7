//! Logits, loss, every gradient, training steps, generation and export of every fixture of a decoder-only family.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::optim::GradientsParams;
use integration_tests::{backends, fixture, gradients, json, tensors};
use lm::{Decoder, ExportPrecision, GenerationOptions, HfFolder, LanguageModel, Pretrained};

use crate::common::{RELATIVE, check_loss_and_gradients, check_training_steps, close};

const REQUIRED: [&str; 10] = [
    "tiny-llama-gqa",
    "tiny-llama3-rope",
    "tiny-mistral-sliding",
    "tiny-qwen2",
    "tiny-qwen3",
    "tiny-gemma3",
    "tiny-phi3",
    "tiny-olmo2",
    "tiny-granite",
    "tiny-smollm3",
];

/// The required folders, and every other one of the same layout whose family the decoder serves.
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
            let config = json(&path.join("config.json"));
            Decoder::FAMILIES.iter().any(|format| format.reads(&config))
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

fn mean_loss(model: &Decoder, batch: &Batch) -> burn::tensor::Tensor<1> {
    model.loss_at(&batch.rows, &batch.targets) / batch.targets.len() as f64
}

/// Compares the whole gradient of every parameter with `grad.NAME` of the reference.
fn check_every_gradient(
    what: &str,
    found: &BTreeMap<String, Vec<f64>>,
    file: &BTreeMap<String, (Vec<usize>, Vec<f64>)>,
) {
    let expected = file.iter();
    let expected = expected.filter_map(|(name, (_, values))| {
        let name = name.strip_prefix("grad.")?;
        Some((name.strip_prefix("model.").unwrap_or(name), values))
    });
    let mut count = 0;
    for (name, expected) in expected {
        let found = &found[name];
        assert_eq!(found.len(), expected.len(), "{what}: {name}");
        let largest = expected.iter().fold(0.0_f64, |a, v| a.max(v.abs()));
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() <= RELATIVE * largest,
                "{what}: gradient of {name}: {found}, not {expected}; the largest is {largest}"
            );
        }
        count += 1;
    }
    // A fixture of a trained model has the lengths of its gradients only.
    let complete = count == found.len() || (count == 0 && !what.contains("tiny-"));
    assert!(complete, "{what}: {count} gradients of {}", found.len());
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
                .load::<Decoder>(&device.autodiff())
                .unwrap()
                .model;
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

            let key = |path: &str| match path.starts_with("lm_head") {
                true => path.to_string(),
                false => format!("model.{path}"),
            };
            let loss = mean_loss(&model, &batch);
            let what = format!("{name} {backend}");
            check_loss_and_gradients(&what, &model, loss, &expected, &key);
            let grads = GradientsParams::from_grads(mean_loss(&model, &batch).backward(), &model);
            check_every_gradient(&what, &gradients(&model, &grads), &file);
        }
    }
}

#[test]
fn parity_training_steps() {
    for folder in references() {
        let expected = json(&folder.join("expected.json"));
        let batch = batch(&folder);
        let source = HfFolder::open(&folder).unwrap();
        check_training_steps::<Decoder>(&source, &expected, &|model| mean_loss(model, &batch));
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
            let model = source.load::<Decoder>(&device).unwrap().model;
            for use_cache in [true, false] {
                let mut options =
                    GenerationOptions::greedy(continuation.len(), source.stop_tokens().unwrap());
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

#[test]
fn parity_an_export_without_training_has_the_names_shapes_and_bytes_of_the_folder() {
    for folder in references() {
        let source = HfFolder::open(&folder).unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let out = scratch.path().join("model");
        let model = source
            .load::<Decoder>(&burn::tensor::Device::flex())
            .unwrap();
        assert!(model.warnings.is_empty(), "{:?}", model.warnings);
        source
            .export(&model.model, &out, ExportPrecision::Stored)
            .unwrap();
        let name = folder.display();
        let read = |folder: &Path| std::fs::read(folder.join("model.safetensors")).unwrap();
        let (expected, found) = (read(&folder), read(&out));
        let expected = safetensors::SafeTensors::deserialize(&expected).unwrap();
        let found = safetensors::SafeTensors::deserialize(&found).unwrap();
        let mut names = [expected.names(), found.names()];
        names.iter_mut().for_each(|names| names.sort());
        assert_eq!(names[0], names[1], "{name}");
        for (tensor, expected) in expected.iter() {
            // Name, type, shape and bytes.
            assert!(
                found.tensor(tensor).unwrap() == expected,
                "{name}: {tensor}"
            );
        }
        assert_eq!(
            json(&folder.join("config.json")),
            json(&out.join("config.json")),
            "{name}"
        );
    }
}
