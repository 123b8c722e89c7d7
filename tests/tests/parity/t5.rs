//! Encoder states, logits, loss, gradients, training steps and generation of every T5 fixture, and
//! the ids of a SentencePiece-style tokenizer.

use std::path::{Path, PathBuf};

use burn::tensor::Tensor;
use integration_tests::{backends, fixture, json, tensors};
use lm::{Example, Framing, GenerationOptions, HfFolder, LanguageModel, T5, TextTokenizer};
use serde_json::Value;

use crate::common::{check_loss_and_gradients, check_training_steps, close};

fn references() -> Vec<PathBuf> {
    ["tiny-t5-v1_0", "tiny-t5-v1_1", "t5-bytes-4task"]
        .into_iter()
        .filter_map(fixture)
        .collect()
}

/// Rows of a matrix of ids, each up to what `counts` refuses; behind it there is nothing else.
fn rows(table: &(Vec<usize>, Vec<f64>), counts: &dyn Fn(usize, f64) -> bool) -> Vec<Vec<u32>> {
    let (shape, values) = table;
    let cut = |(row, values): (usize, &[f64])| -> Vec<u32> {
        let real = |&(column, &id): &(usize, &f64)| counts(row * shape[1] + column, id);
        let kept: Vec<u32> = values
            .iter()
            .enumerate()
            .take_while(real)
            .map(|(_, &id)| id as u32)
            .collect();
        assert!(
            !values
                .iter()
                .enumerate()
                .skip(kept.len())
                .any(|pair| real(&pair))
        );
        kept
    };
    values.chunks(shape[1]).enumerate().map(cut).collect()
}

/// The fixture's batch as examples.
fn batch(folder: &Path) -> Vec<Example> {
    let file = tensors(&folder.join("expected.safetensors"));
    let mask = &file["attention_mask"].1;
    let prompts = rows(&file["input_ids"], &|place, _| mask[place] == 1.0);
    let answers = rows(&file["labels"], &|_, id| id >= 0.0);
    let pairs = prompts.into_iter().zip(answers);
    pairs
        .map(|(prompt, answer)| Example::new(prompt, answer))
        .collect()
}

fn mean_loss(model: &T5, batch: &[Example]) -> Tensor<1> {
    let (loss, count) = model.answer_loss(batch);
    loss / count as f64
}

/// Compares the first `lengths[i]` places of every row.
fn check_states(what: &str, found: Tensor<3>, wanted: &[f64], lengths: &[usize]) {
    let [_, tokens, width] = found.dims();
    let found: Vec<f64> = found.into_data().iter::<f64>().collect();
    assert_eq!(found.len(), wanted.len(), "{what}");
    let scale = wanted.iter().fold(0.0_f64, |a, v| a.max(v.abs()));
    for (row, &length) in lengths.iter().enumerate() {
        for place in row * tokens * width..(row * tokens + length) * width {
            let (found, wanted) = (found[place], wanted[place]);
            assert!(
                close(found, wanted, scale),
                "{what} row {row}: {found}, not {wanted}"
            );
        }
    }
}

#[test]
fn parity_t5_states_logits_loss_and_gradients() {
    for folder in references() {
        let expected = json(&folder.join("expected.json"));
        let file = tensors(&folder.join("expected.safetensors"));
        let batch = batch(&folder);
        let prompts: Vec<Vec<u32>> = batch.iter().map(|e| e.prompt.clone()).collect();
        let lengths: Vec<usize> = prompts.iter().map(Vec::len).collect();
        let given = rows(&file["decoder_input_ids"], &|_, _| true);
        let places: Vec<usize> = given.iter().map(Vec::len).collect();
        // Two encoder blocks in all of them: the last hidden states are number 2.
        let states = file
            .get("encoder_last_hidden")
            .unwrap_or_else(|| &file["encoder_hidden.2"]);
        for (backend, device) in backends() {
            let what = format!("{} {backend}", folder.display());
            let source = HfFolder::open(&folder).unwrap();
            let model: T5 = source.load(&device.autodiff()).unwrap().model;
            let encoded = model.encoder_states(&prompts);
            check_states(&format!("{what} encoder"), encoded, &states.1, &lengths);
            let logits = model.logits(&prompts, &given);
            check_states(
                &format!("{what} logits"),
                logits,
                &file["logits"].1,
                &places,
            );
            let loss = mean_loss(&model, &batch);
            let key = |path: &str| path.to_string();
            check_loss_and_gradients(&what, &model, loss, &expected, &key);
        }
    }
}

#[test]
fn parity_t5_training_steps() {
    for folder in references() {
        let expected = json(&folder.join("expected.json"));
        let batch = batch(&folder);
        let source = HfFolder::open(&folder).unwrap();
        check_training_steps::<T5>(&source, &expected, &|model| mean_loss(model, &batch));
    }
}

fn ids(value: &Value) -> Vec<u32> {
    let ids = value.as_array().unwrap().iter();
    ids.map(|id| id.as_u64().unwrap() as u32).collect()
}

#[test]
fn parity_t5_greedy_answers_with_and_without_cache() {
    for folder in references() {
        let expected = json(&folder.join("expected.json"));
        let trained = expected["greedy_text"].is_array();
        let prompts: Vec<Vec<u32>> = batch(&folder).into_iter().map(|e| e.prompt).collect();
        let source = HfFolder::open(&folder).unwrap();
        let wanted: Vec<Vec<u32>> = expected["greedy_ids"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                let row = ids(row);
                // The start token is in front; after the end of a text there is padding.
                let answer = row[1..].iter().copied();
                match trained {
                    true => answer.take_while(|id| *id != 1).collect(),
                    false => answer.collect(),
                }
            })
            .collect();
        let longest = wanted.iter().map(Vec::len).max().unwrap();
        for (backend, device) in backends() {
            let model: T5 = source.load(&device).unwrap().model;
            for use_cache in [true, false] {
                let mut options =
                    GenerationOptions::greedy(longest + 1, source.stop_tokens().unwrap());
                if !trained {
                    options.max_new_tokens = longest;
                    options.min_new_tokens = longest;
                }
                options.use_cache = use_cache;
                let found = model.generate(&prompts, &options);
                let what = format!("{} {backend} cache {use_cache}", folder.display());
                assert_eq!(found, wanted, "{what}");
                let alone = model.generate(&prompts[1..2], &options);
                assert_eq!(alone[0], wanted[1], "{what}, alone");
            }
        }
    }
}

#[test]
fn parity_t5_tokenizer() {
    let Some(folder) = fixture("t5-tokenizer-1k") else {
        return;
    };
    let expected = json(&folder.join("expected.json"));
    let file = folder.join("tokenizer.json");
    let tokenizer = TextTokenizer::open(&file, vec![1], Framing::TextToText).unwrap();
    let size = expected["vocab_size_with_sentinels"].as_u64().unwrap();
    assert_eq!(tokenizer.vocabulary_size() as u64, size);
    let cases = expected["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let wanted = ids(&case["ids"]);
        assert_eq!(tokenizer.encode(text, true).unwrap(), wanted, "{text:?}");
        let decoded = tokenizer.decode(&wanted, true).unwrap();
        assert_eq!(decoded, case["decoded"].as_str().unwrap(), "{text:?}");
    }
    // Sentinels are found, the first of them first.
    let text = "the function returns a list of values and the other function does not";
    let example = tokenizer.text(text, 64, 1).unwrap();
    let first = expected["extra_id_0"].as_u64().unwrap() as u32;
    assert_eq!(example.answer[0], first);
    assert_eq!(
        (example.prompt.last(), example.answer.last()),
        (Some(&1), Some(&1))
    );
}
