//! A beginning that rows share, read once, changes no result.

use crate::common;
use crate::common::families::families;
use crate::common::{backends, configs, model, rows, values};
use lm::{Example, GenerationOptions, LanguageModel};

/// Longer than the windows of the configurations, so that rows see it in part.
const PREFIX: [u32; 9] = [7, 3, 11, 4, 9, 2, 5, 8, 6];

#[test]
fn prompts_behind_a_prefix_are_continued_like_whole_prompts() {
    for (backend, device) in backends() {
        for (shape, config) in [configs(), families()].concat() {
            let model = model(&config, 5, &device);
            for prefix in [&PREFIX[..], &PREFIX[..1]] {
                let whole: Vec<Vec<u32>> =
                    rows().iter().map(|row| [prefix, row].concat()).collect();
                let mut options = GenerationOptions::greedy(7, vec![]);
                let expected = model.generate(&whole, &options);
                for use_cache in [true, false] {
                    options.use_cache = use_cache;
                    let found = model.generate_behind(prefix, &rows(), &options, &mut |_, _| false);
                    assert_eq!(found, expected, "{backend} {shape} cache {use_cache}");
                }
            }
        }
    }
}

#[test]
fn rows_end_when_they_are_said_to_and_the_others_go_on() {
    let (_, device) = backends().remove(0);
    for (shape, config) in [configs(), families()].concat() {
        let model = model(&config, 6, &device);
        let options = GenerationOptions::greedy(12, vec![]);
        let whole = model.generate(&rows(), &options);
        // All but the second row end early, one after the other: what is left of the batch is put together anew.
        let ends = [2, usize::MAX, 3, 5];
        let found = model.generate_behind(&[], &rows(), &options, &mut |row, tokens| {
            tokens.len() == ends[row]
        });
        for (row, (found, whole)) in found.iter().zip(&whole).enumerate() {
            let length = ends[row].min(12);
            assert_eq!(found[..], whole[..length], "{shape} row {row}");
        }
    }
}

#[test]
fn losses_behind_a_prefix_are_those_of_the_whole_text() {
    for (backend, device) in backends() {
        for (shape, config) in [configs(), families()].concat() {
            let model = model(&config, 8, &device);
            let whole = |row: &Vec<u32>| Example::new(PREFIX.to_vec(), row.clone());
            // A prefix of one token predicts nothing by itself.
            let short = model.token_losses(&PREFIX[..1], &rows());
            assert!(short.prefix.is_empty());
            assert_eq!(short.rows.len(), rows().len());
            let found = model.token_losses(&PREFIX, &rows());
            for (row, found) in rows().iter().zip(&found.rows) {
                let expected = losses(&model, &whole(row));
                assert_close(found, &expected, &format!("{backend} {shape}"));
                assert_eq!(found.len(), row.len());
            }
            let alone = Example::new(Vec::new(), PREFIX.to_vec());
            assert_close(&found.prefix, &losses(&model, &alone), shape);
            // Without a prefix, nothing predicts the first token of a row.
            let free = model.token_losses(&[], &rows());
            for (row, found) in rows().iter().zip(&free.rows) {
                let example = Example::new(Vec::new(), row.clone());
                match model.target_count(&example) {
                    0 => assert!(found.is_empty()),
                    _ => assert_close(found, &losses(&model, &example), shape),
                }
            }
            let nothing = model.token_losses(&PREFIX, &[vec![], vec![4]]);
            assert_eq!(nothing.rows[0], [0f32; 0]);
            assert_eq!(nothing.rows[1].len(), 1);
            assert!(model.token_losses(&PREFIX, &[]).rows.is_empty());
        }
    }
}

/// Negative log-likelihoods of an example's answer tokens, from the probabilities of all tokens.
fn losses(model: &impl LanguageModel, example: &Example) -> Vec<f64> {
    let all = model.answer_log_probabilities(std::slice::from_ref(example));
    let [count, vocabulary] = all.dims();
    let all = values(all);
    let targets = &example.answer[example.answer.len() - count..];
    let pairs = all.chunks(vocabulary).zip(targets);
    pairs.map(|(row, &token)| -row[token as usize]).collect()
}

fn assert_close(found: &[f32], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        // Sums of f32 in another order, over a few layers.
        assert!(
            (f64::from(*found) - expected).abs() < 1e-4,
            "{what}: {found} {expected}"
        );
    }
}

#[test]
fn an_encoder_decoder_reads_the_prefix_as_its_prompt() {
    for (backend, device) in backends() {
        for (version, config) in common::t5::both() {
            let model = common::t5::model(&config, &device);
            for example in common::t5::examples() {
                let answer = std::slice::from_ref(&example.answer);
                let found = model.token_losses(&example.prompt, answer);
                assert!(found.prefix.is_empty());
                let what = format!("{backend} {version}");
                assert_close(&found.rows[0], &losses(&model, &example), &what);
            }
            let options = GenerationOptions::greedy(6, vec![]);
            let [first, second] = [vec![9, 4], vec![3]];
            let whole = [
                [&PREFIX[..], &first].concat(),
                [&PREFIX[..], &second].concat(),
            ];
            let expected = model.generate(&whole, &options);
            let rows = [first, second];
            let found = model.generate_behind(&PREFIX, &rows, &options, &mut |_, _| false);
            assert_eq!(found, expected, "{backend} {version}");
            let short = model.generate_behind(&PREFIX, &rows, &options, &mut |row, tokens| {
                row == 0 && tokens.len() == 2
            });
            assert_eq!(short[0], expected[0][..2]);
            assert_eq!(short[1], expected[1]);
        }
    }
}
