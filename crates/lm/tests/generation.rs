//! Generation and loss do not depend on how rows are batched.

use crate::common::families::families;
use crate::common::{backends, configs, model, rows, values};
use lm::{Decoding, Example, GenerationOptions, LanguageModel};

#[test]
fn cached_and_batched_generation_equals_single_rows_without_a_cache() {
    for (backend, device) in backends() {
        for (shape, config) in [configs(), families()].concat() {
            let model = model(&config, 5, &device);
            let mut options = GenerationOptions::greedy(9, vec![]);
            let together = model.generate(&rows(), &options);
            for (row, expected) in rows().iter().zip(&together) {
                assert_eq!(expected.len(), 9);
                for use_cache in [true, false] {
                    options.use_cache = use_cache;
                    let alone = model.generate(std::slice::from_ref(row), &options);
                    assert_eq!(&alone[0], expected, "{backend} {shape} cache {use_cache}");
                }
            }
        }
    }
}

#[test]
fn stop_tokens_end_a_row_and_are_not_returned() {
    let (_, device) = backends().remove(1);
    let (_, config) = configs().remove(0);
    let model = model(&config, 6, &device);
    let free = model.generate(&rows(), &GenerationOptions::greedy(12, vec![]));
    let stop = free[0][4];
    let first = free[0].iter().position(|&t| t == stop).unwrap();
    assert!(first > 0, "something comes before the stop token");
    let stopped = model.generate(&rows(), &GenerationOptions::greedy(12, vec![stop]));
    assert_eq!(stopped[0], free[0][..first]);
    for (row, all) in stopped.iter().zip(&free) {
        assert_eq!(row[..], all[..row.len()]);
        assert!(!row.contains(&stop));
    }
    let mut options = GenerationOptions::greedy(12, vec![stop]);
    options.min_new_tokens = 12;
    assert!(
        model
            .generate(&rows(), &options)
            .iter()
            .all(|row| row.len() == 12)
    );
    assert_eq!(model.generate(&[], &options), Vec::<Vec<u32>>::new());
    assert_eq!(
        model.generate(&rows(), &GenerationOptions::greedy(0, vec![])),
        vec![Vec::<u32>::new(); 4]
    );
}

#[test]
fn the_same_seed_gives_the_same_sample() {
    for (backend, device) in backends() {
        let (_, config) = configs().remove(0);
        let model = model(&config, 6, &device);
        let sample = |seed: u64, temperature: f64| {
            let mut options = GenerationOptions::greedy(10, vec![]);
            options.decoding = Decoding::Sample {
                temperature,
                top_k: 0,
                top_p: 1.0,
                seed,
            };
            model.generate(&rows(), &options)
        };
        assert_eq!(sample(1, 1.0), sample(1, 1.0), "{backend}");
        assert_ne!(sample(1, 1.0), sample(2, 1.0), "{backend}");
        let greedy = model.generate(&rows(), &GenerationOptions::greedy(10, vec![]));
        assert_eq!(sample(1, 1e-4), greedy, "{backend}");
    }
}

#[test]
fn padding_and_prompt_tokens_do_not_count_in_the_loss() {
    for (backend, device) in backends() {
        for (shape, config) in [configs(), families()].concat() {
            let model = model(&config, 8, &device);
            let examples: Vec<Example> = rows()
                .iter()
                .filter(|row| row.len() > 1)
                .map(|row| {
                    Example::new(row[..row.len() / 2].to_vec(), row[row.len() / 2..].to_vec())
                })
                .collect();
            let (together, count) = model.answer_loss(&examples);
            let alone: f64 = examples
                .iter()
                .map(|example| values(model.answer_loss(std::slice::from_ref(example)).0)[0])
                .sum();
            let together = values(together)[0];
            // Rounding of sums of some twenty logarithms in f32, in another order.
            assert!(
                (together - alone).abs() < 1e-4,
                "{backend} {shape}: {together} {alone}"
            );
            assert_eq!(
                count,
                examples.iter().map(|e| e.answer.len()).sum::<usize>()
            );

            // Computed from the logits: the answer's tokens, each from the position before it.
            let row = [examples[0].prompt.clone(), examples[0].answer.clone()].concat();
            let logits = model.logits(std::slice::from_ref(&row));
            let vocabulary = logits.dims()[2];
            let logits = values(logits);
            let expected: f64 = (examples[0].prompt.len()..row.len())
                .map(|position| {
                    let scores = &logits[(position - 1) * vocabulary..position * vocabulary];
                    let total: f64 = scores.iter().map(|s| s.exp()).sum();
                    total.ln() - scores[row[position] as usize]
                })
                .sum();
            let found = values(model.answer_loss(&examples[..1]).0)[0];
            assert!(
                (found - expected).abs() < 1e-4,
                "{backend} {shape}: {found} {expected}"
            );
        }
    }
}
