//! SmolLM2-135M-Instruct: logits, loss, gradients, tokenizer and greedy text of a real model.

use burn::optim::GradientsParams;
use burn::tensor::Device;
use integration_tests::{fetched_model, fixture, gradient_norms, json, tensors};
use lm::{Decoder, Example, GenerationOptions, HfFolder, LanguageModel};
use serde_json::Value;

const NAME: &str = "smollm2-135m-instruct-q4_1";

fn reference() -> Option<(std::path::PathBuf, HfFolder)> {
    let folder = fixture(NAME)?;
    let weights = fetched_model(NAME)?.join("hf");
    Some((folder, HfFolder::open(weights).unwrap()))
}

fn ids(value: &Value) -> Vec<u32> {
    let ids = value.as_array().unwrap().iter();
    ids.map(|id| id.as_u64().unwrap() as u32).collect()
}

#[test]
fn parity_smollm2_tokenizer() {
    let Some((folder, source)) = reference() else {
        return;
    };
    let tokenizer = source.tokenizer().unwrap();
    let expected = json(&folder.join("expected.json"));
    for case in expected["tokenizer"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let found = tokenizer.encode(text, true).unwrap();
        assert_eq!(found, ids(&case["ids"]), "{text:?}");
        if case["decodes_back"] == true {
            assert_eq!(tokenizer.decode(&found, false).unwrap(), text);
        }
    }
}

#[test]
fn parity_smollm2_logits_loss_gradients_and_text() {
    let Some((folder, source)) = reference() else {
        return;
    };
    let expected = json(&folder.join("expected.json"));
    let file = tensors(&folder.join("expected.safetensors"));
    let model = source
        .load::<Decoder>(&Device::flex().autodiff())
        .unwrap()
        .model;

    for (index, prompt) in expected["prompts"].as_array().unwrap().iter().enumerate() {
        let row = ids(&prompt["ids"]);
        let logits = model.logits(std::slice::from_ref(&row));
        let [_, tokens, vocabulary] = logits.dims();
        let last: Vec<f64> = logits
            .narrow(1, tokens - 1, 1)
            .into_data()
            .iter::<f64>()
            .collect();
        let (_, reference) = &file[&format!("prompt{index}.last_logits")];
        assert_eq!(reference.len(), vocabulary);
        let worst = last
            .iter()
            .zip(reference)
            .fold(0.0_f64, |worst, (a, b)| worst.max((a - b).abs()));
        // Twenty times the reference's own error against float64, which is 5e-5.
        assert!(worst < 1e-3, "prompt {index}: logits differ by {worst}");

        let greedy = ids(&prompt["greedy_ids"]);
        let mut options = GenerationOptions::greedy(greedy.len(), vec![]);
        for use_cache in [true, false] {
            options.use_cache = use_cache;
            let found = model.generate(std::slice::from_ref(&row), &options);
            assert_eq!(found[0], greedy, "prompt {index}, cache {use_cache}");
        }
    }

    for case in expected["loss"].as_array().unwrap() {
        let example = Example::new(vec![], ids(&case["ids"]));
        let (loss, count) = model.answer_loss(&[example]);
        let mean = f64::from(loss.into_scalar::<f32>()) / count as f64;
        let wanted = case["mean_nll"].as_f64().unwrap();
        assert!((mean - wanted).abs() < 2e-4, "{mean}, not {wanted}");
    }

    let case = &expected["gradient"];
    let example = Example::new(vec![], ids(&case["ids"]));
    let (loss, count) = model.answer_loss(&[example]);
    let grads = GradientsParams::from_grads((loss / count as f64).backward(), &model);
    let norms = gradient_norms(&model, &grads);
    let wanted = case["l2"].as_object().unwrap();
    assert_eq!(norms.len(), wanted.len());
    for (path, found) in norms {
        let key = format!("model.{}", path.replace("gamma", "weight"));
        let wanted = wanted[&key].as_f64().unwrap();
        assert!(
            (found - wanted).abs() <= 1e-3 * wanted,
            "gradient of {key}: {found}, not {wanted}"
        );
    }
}
