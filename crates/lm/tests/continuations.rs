//! Continuations of one prompt that is read once have the losses of whole texts.

use crate::common::families::families;
use crate::common::naive::Naive;
use crate::common::{backends, configs, model, rows, t5, values};
use lm::{Example, GenerationOptions, LanguageModel};

/// Longer than the windows of the configurations, so that rows see it in part.
const PREFIX: [u32; 9] = [7, 3, 11, 4, 9, 2, 5, 8, 6];

/// One token, several, one that another begins with, the same twice, and none.
fn continuations() -> Vec<Vec<u32>> {
    vec![
        vec![9, 3],
        vec![9, 4, 12, 3],
        vec![9],
        vec![],
        vec![20, 21, 22, 23, 24],
        vec![9, 3],
    ]
}

/// Sums of f32 in another order, over a few layers.
const TOLERANCE: f64 = 1e-4;

/// The losses of an answer in one pass over the whole text, in f64 from the probabilities of all tokens.
fn plain(model: &impl LanguageModel, prompt: &[u32], answer: &[u32]) -> Vec<f64> {
    if answer.is_empty() {
        return Vec::new();
    }
    let example = Example::new(prompt.to_vec(), answer.to_vec());
    let all = model.answer_log_probabilities(&[example]);
    let [count, vocabulary] = all.dims();
    assert_eq!(count, answer.len());
    let all = values(all);
    let pairs = all.chunks(vocabulary).zip(answer);
    pairs.map(|(row, &token)| -row[token as usize]).collect()
}

fn check(model: &impl LanguageModel, prefix: &[u32], prompts: &[Vec<u32>], what: &str) {
    let continuations = continuations();
    let found = model.continuation_losses(prefix, prompts, &continuations);
    assert_eq!(found.len(), prompts.len(), "{what}");
    for (prompt, found) in prompts.iter().zip(&found) {
        assert_eq!(found.len(), continuations.len(), "{what}");
        for (answer, found) in continuations.iter().zip(found) {
            let expected = plain(model, &[prefix, prompt].concat(), answer);
            assert_eq!(found.len(), expected.len(), "{what}");
            for (found, expected) in found.iter().zip(&expected) {
                let difference = (f64::from(*found) - expected).abs();
                assert!(
                    difference < TOLERANCE,
                    "{what}, prompt of {} tokens, {answer:?}: {found}, not {expected}",
                    prompt.len()
                );
            }
        }
    }
}

#[test]
fn sums_are_log_likelihoods_of_a_plain_f64_implementation() {
    for (backend, device) in backends() {
        for (shape, config) in configs() {
            let model = model(&config, 3, &device);
            let naive = Naive::of(&config, &model);
            let found = model.continuation_losses(&[], &rows(), &continuations());
            for (prompt, found) in rows().iter().zip(&found) {
                for (answer, found) in continuations().iter().zip(found) {
                    let found = -found.iter().map(|&loss| f64::from(loss)).sum::<f64>();
                    let text = [&prompt[..], answer].concat();
                    let logits = naive.logits(&text);
                    let behind = answer.iter().enumerate().map(|(place, &token)| {
                        let row = &logits[prompt.len() + place - 1];
                        let sum: f64 = row.iter().map(|logit| logit.exp()).sum();
                        row[token as usize] - sum.ln()
                    });
                    let expected: f64 = behind.sum();
                    // Of each of up to five tokens, f32 over two layers of sums of some dozens of terms.
                    assert!(
                        (found - expected).abs() < 5.0 * TOLERANCE,
                        "{backend} {shape} {answer:?}: {found}, not {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn every_decoder_reads_a_prompt_once_for_all_of_its_continuations() {
    for (backend, device) in backends() {
        for (shape, config) in [configs(), families()].concat() {
            let model = model(&config, 9, &device);
            for prefix in [&[][..], &PREFIX[..1], &PREFIX[..]] {
                let what = format!("{backend} {shape}, prefix of {}", prefix.len());
                check(&model, prefix, &rows(), &what);
                // One row, which has no padding.
                check(&model, prefix, &rows()[1..2], &what);
            }
        }
    }
}

#[test]
fn an_encoder_decoder_encodes_a_prompt_once_for_all_of_its_continuations() {
    let prompts = [vec![4, 9, 17, 5, 6, 11, 8], vec![12], vec![], vec![3, 3, 4]];
    for (backend, device) in backends() {
        for (version, config) in t5::both() {
            let model = t5::model(&config, &device);
            let what = format!("{backend} {version}");
            check(&model, &[], &prompts, &what);
            check(&model, &PREFIX, &prompts, &what);
        }
    }
}

#[test]
fn the_way_of_networks_without_one_of_their_own_is_the_same() {
    /// What the trait does by default: one prompt at a time.
    fn by_default(model: &impl LanguageModel, prompt: &[u32]) -> Vec<Vec<f32>> {
        let prompt = [&PREFIX[..], prompt].concat();
        model.token_losses(&prompt, &continuations()).rows
    }
    let (_, device) = backends().remove(1);
    let model = model(&configs()[0].1, 9, &device);
    let found = model.continuation_losses(&PREFIX, &rows(), &continuations());
    for (prompt, found) in rows().iter().zip(&found) {
        let expected = by_default(&model, prompt);
        for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
            assert!(f64::from(found - expected).abs() < TOLERANCE);
        }
    }
}

#[test]
fn nothing_to_measure_gives_nothing() {
    let (_, device) = backends().remove(1);
    let decoder = model(&configs()[0].1, 9, &device);
    let encoder = t5::model(&t5::config(false), &device);
    let none: [Vec<Vec<Vec<f32>>>; 2] = [
        decoder.continuation_losses(&[], &[], &continuations()),
        encoder.continuation_losses(&[], &[], &continuations()),
    ];
    assert!(none.iter().all(Vec::is_empty));
    let empty = [
        decoder.continuation_losses(&PREFIX, &rows(), &[vec![]]),
        encoder.continuation_losses(&PREFIX, &rows(), &[vec![]]),
    ];
    for rows in empty {
        assert_eq!(rows, vec![vec![Vec::<f32>::new()]; 4]);
    }
}

#[test]
fn the_most_likely_first_token_is_the_one_that_is_generated() {
    for (_, device) in backends() {
        for (shape, config) in [configs(), families()].concat() {
            let model = model(&config, 9, &device);
            let vocabulary: Vec<Vec<u32>> = (0..41).map(|token| vec![token]).collect();
            let losses = model.continuation_losses(&[], &rows(), &vocabulary);
            let likeliest = losses.iter().map(|of_prompt| {
                let tokens = of_prompt.iter().enumerate();
                let best = tokens.min_by(|a, b| a.1[0].total_cmp(&b.1[0])).unwrap();
                vec![best.0 as u32]
            });
            let options = GenerationOptions::greedy(1, vec![]);
            let generated = model.generate(&rows(), &options);
            assert_eq!(likeliest.collect::<Vec<_>>(), generated, "{shape}");
        }
    }
}
