//! Answers that are chosen from a task's labels by their likelihood.

use std::collections::BTreeSet;
use std::sync::Arc;

use burn::tensor::Device;
use continual::methods::SeqFt;
use continual::trainer::TrainConfig;
use continual::{
    ContinualError, EvaluationSet, LabelScores, Scorer, Sequence, SequenceConfig,
    evaluate_by_likelihood,
};
use lm::{Decoder, Example, LanguageModel, TextTokenizer};
use serde_json::json;

use crate::common::labelled::Labelled;
use crate::common::*;

fn chosen(model: &Decoder, tokenizer: &TextTokenizer, set: &EvaluationSet) -> Vec<String> {
    let found = evaluate_by_likelihood(model, tokenizer, set, 2, &mut |_| Ok(()));
    found.unwrap().unwrap().answers
}

/// The log-likelihood of an answer in one pass over its training row, as a sum of f64.
fn log_likelihood(model: &Decoder, row: &Example) -> f64 {
    let all = model.answer_log_probabilities(std::slice::from_ref(row));
    let [_, vocabulary] = all.dims();
    let all: Vec<f64> = all.into_data().iter::<f64>().collect();
    let rows = all.chunks(vocabulary).zip(&row.answer);
    rows.map(|(row, &token)| row[token as usize]).sum()
}

/// The label whose training row is the most likely, by the plain way.
fn by_hand(model: &Decoder, tokenizer: &TextTokenizer, prompt: &str, labels: &[&str]) -> String {
    let of = |label: &&str| {
        let row = tokenizer.example(prompt, label, 100).unwrap();
        assert_eq!(row.answer.last(), Some(&tokenizer.end_token()));
        log_likelihood(model, &row)
    };
    let best = labels.iter().max_by(|a, b| of(a).total_cmp(&of(b)));
    best.unwrap().to_string()
}

#[test]
fn the_likeliest_label_is_that_of_the_training_rows_in_one_pass() {
    let tokenizer = tokenizer();
    // Labels of several tokens, and labels that others begin with.
    let lists = [
        ["v", "v w", "v w x", "x y", "y", "a b c"],
        ["v w", "x y", "w v", "a b", "y c", "b b e"],
    ];
    let mut answers = BTreeSet::new();
    for (backend, device) in backends() {
        for (seed, labels) in (0..6).flat_map(|seed| lists.map(|labels| (seed, labels))) {
            let start = drawn(&device, seed);
            let mut task = task("up", ["v"; 5], &tokenizer);
            task.evaluation.scorer = Labelled::new(&labels);
            let found = chosen(&start, &tokenizer, &task.evaluation);
            for (question, found) in task.evaluation.questions.iter().zip(found) {
                let expected = by_hand(&start, &tokenizer, &question.prompt, &labels);
                assert_eq!(found, expected, "{backend}, seed {seed}");
                answers.insert(found);
            }
        }
    }
    // One and the same answer to everything would show little.
    assert!(answers.len() > 2, "{answers:?}");
}

/// Random weights that are large enough for uneven probabilities.
fn drawn(device: &Device, seed: usize) -> Decoder {
    let start = model(device);
    let mut values = weights(&start);
    let shift = 1 + 37 * seed % values.len();
    values.rotate_right(shift);
    let values: Vec<f32> = values.iter().map(|value| 3.0 * value).collect();
    with_weights(start, &values)
}

#[test]
fn a_label_that_others_begin_with_is_learned_like_them() {
    let tokenizer = tokenizer();
    let answers = ["v", "v w", "v w x", "v", "v w"];
    let mut task = task("up", answers, &tokenizer);
    task.evaluation.scorer = Labelled::new(&["v", "v w", "v w x"]);
    task.epochs = 40;
    let tasks = [task];
    let config = SequenceConfig {
        label_scores: LabelScores::Beside,
        ..config(TrainConfig::default())
    };
    let sequence = Sequence {
        tokenizer: &tokenizer,
        tasks: &tasks,
        general: None,
        config: &config,
    };
    let start = model(&Device::flex().autodiff());
    let outcome = sequence.run(start, &mut SeqFt, &mut |_| ()).unwrap();
    let likely = outcome.label_matrix.unwrap();
    assert_eq!(likely.get(1, 0), Some(100.0));
    // Two tokens are generated: the longest label cannot be, whatever the model knows.
    assert_eq!(outcome.matrix.get(1, 0), Some(80.0));
}

#[test]
fn of_labels_with_the_same_tokens_the_first_is_taken() {
    let tokenizer = tokenizer();
    let start = model(&Device::flex());
    for labels in [["v", "v ", " v"], [" v", "v", "v "]] {
        let mut task = task("up", ["v"; 5], &tokenizer);
        task.evaluation.scorer = Labelled::new(&labels);
        assert_eq!(chosen(&start, &tokenizer, &task.evaluation), [labels[0]; 5]);
    }
}

/// A tokenizer of letters that joins `p` and `a`, which may stand on the two sides of a border.
fn joining() -> TextTokenizer {
    let letters = [
        "<end>", "u", "p", "a", "b", "pa", "pb", "c", "d", "e", "f", "g",
    ];
    let vocabulary: serde_json::Map<_, _> = (0..letters.len())
        .map(|id| (letters[id].to_string(), json!(id)))
        .collect();
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "added_tokens": [{"id": 0, "content": "<end>", "special": true, "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": false}],
        "pre_tokenizer": null, "post_processor": null, "decoder": null,
        "model": {"type": "BPE", "vocab": vocabulary, "merges": [["p", "a"], ["p", "b"]]}
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, file.to_string()).unwrap();
    TextTokenizer::open(&path, vec![0], lm::Framing::Continuation).unwrap()
}

#[test]
fn a_label_is_not_joined_with_the_end_of_the_prompt() {
    let tokenizer = joining();
    let labels = ["a", "b", "c", "d"];
    assert_eq!(tokenizer.encode("upa", false).unwrap(), [1, 5]);
    let mut others = 0;
    for seed in 0..20 {
        let start = drawn(&Device::flex(), seed);
        let mut task = task("up", ["a"; 5], &tokenizer);
        task.evaluation.scorer = Labelled::new(&labels);
        task.evaluation.questions.truncate(1);
        let question = &mut task.evaluation.questions[0];
        question.prompt = "up".to_string();
        question.tokens = tokenizer.prompt("up", 8, 2).unwrap();
        assert_eq!(question.tokens, [1, 2]);
        let found = chosen(&start, &tokenizer, &task.evaluation).remove(0);
        assert_eq!(
            found,
            by_hand(&start, &tokenizer, "up", &labels),
            "seed {seed}"
        );
        // The tokens of the joined text, of which the model sees none in training, would say otherwise.
        let joined = |label: &&str| {
            let tokens = tokenizer.encode(&format!("up{label}"), false).unwrap();
            let answer = [&tokens[1..], &[0]].concat();
            log_likelihood(&start, &Example::new(vec![1], answer))
        };
        let other = labels.iter().max_by(|a, b| joined(a).total_cmp(&joined(b)));
        others += usize::from(*other.unwrap() != found);
    }
    assert!(others > 0);
}

#[test]
fn labels_without_a_token_and_tasks_without_labels_are_told_apart() {
    let tokenizer = tokenizer();
    let start = model(&Device::flex());
    let mut task = task("up", ["v"; 5], &tokenizer);
    let mut ask = |scorer: Arc<dyn Scorer>| {
        task.evaluation.scorer = scorer;
        evaluate_by_likelihood(&start, &tokenizer, &task.evaluation, 2, &mut |_| Ok(()))
    };
    assert_eq!(ask(Arc::new(ExactMatch)).unwrap(), None);
    let error = ask(Labelled::new(&["v", " "])).unwrap_err();
    assert!(
        matches!(&error, ContinualError::Label { label } if label == " "),
        "{error}"
    );
}
