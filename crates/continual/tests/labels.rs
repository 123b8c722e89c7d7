//! Answers that are chosen from a task's labels by their likelihood, beside or instead of generated ones.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use burn::tensor::Device;
use continual::checkpoint::{Checkpoints, SEQUENCE_FILE, StatePart};
use continual::methods::{MultiTaskFt, PerTaskFt, SeqFt};
use continual::trainer::TrainConfig;
use continual::{
    CheckpointPolicy, ContinualError, EvaluationSet, Event, LabelScores, Method, NoCheckpoints,
    Pause, Scorer, Sequence, SequenceConfig, SequenceOutcome, Task, evaluate_by_likelihood,
};
use lm::{Decoder, Example, LanguageModel, TextTokenizer};
use serde_json::{Value, json};

use common::*;

/// [`ExactMatch`] with a list of labels.
struct Labelled(Vec<String>);

impl Labelled {
    fn new(labels: &[&str]) -> Arc<Self> {
        Arc::new(Self(labels.iter().map(ToString::to_string).collect()))
    }
}

impl Scorer for Labelled {
    fn score(&self, prompts: &[&str], answers: &[&str], references: &[&str]) -> f64 {
        ExactMatch.score(prompts, answers, references)
    }

    fn labels(&self) -> &[String] {
        &self.0
    }

    fn in_format(&self, answer: &str) -> Option<bool> {
        Some(self.0.iter().any(|label| label == answer))
    }
}

/// The first task has labels, the second has none.
fn own_tasks(tokenizer: &TextTokenizer) -> Vec<Task> {
    let mut tasks = tasks(tokenizer);
    tasks[0].evaluation.scorer = Labelled::new(&["v", "w", "x", "y"]);
    tasks
}

fn settings(label_scores: LabelScores) -> SequenceConfig {
    SequenceConfig {
        label_scores,
        ..config(TrainConfig::default())
    }
}

fn learned(method: impl Method<Decoder>, scores: LabelScores) -> SequenceOutcome<Decoder> {
    learned_with(method, scores, &mut |_| ())
}

fn learned_with(
    mut method: impl Method<Decoder>,
    scores: LabelScores,
    on_event: &mut dyn FnMut(Event<'_>),
) -> SequenceOutcome<Decoder> {
    let tokenizer = tokenizer();
    let tasks = own_tasks(&tokenizer);
    let config = settings(scores);
    let sequence = Sequence {
        tokenizer: &tokenizer,
        tasks: &tasks,
        general: Some(&tasks[1].evaluation),
        config: &config,
    };
    let start = model(&Device::flex().autodiff());
    sequence.run(start, &mut method, on_event).unwrap()
}

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
    let config = settings(LabelScores::Beside);
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

#[test]
fn beside_leaves_the_generated_scores_as_they_are() {
    let methods: [fn(LabelScores) -> SequenceOutcome<Decoder>; 3] = [
        |scores| learned(SeqFt, scores),
        |scores| learned(PerTaskFt::new(), scores),
        |scores| learned(MultiTaskFt, scores),
    ];
    for run in methods {
        let (plain, beside) = (run(LabelScores::None), run(LabelScores::Beside));
        assert_eq!(plain.label_matrix, None);
        assert_eq!(beside.matrix, plain.matrix);
        assert_eq!(beside.answers, plain.answers);
        assert_eq!(beside.general, plain.general);
        assert_eq!(weights(&beside.model), weights(&plain.model));
        assert!(beside.by_likelihood.is_empty());
        // The second matrix has the scores of the task with labels, wherever the first one has them.
        let likely = beside.label_matrix.unwrap();
        for learned in 0..3 {
            let measured = beside.matrix.get(learned, 0).is_some();
            assert_eq!(
                likely.get(learned, 0).is_some(),
                measured,
                "after {learned}"
            );
            assert_eq!(likely.get(learned, 1), None);
        }
    }
    let independent = learned(PerTaskFt::new(), LabelScores::Beside);
    let likely = independent.label_matrix.unwrap();
    assert_eq!(likely.get(2, 0), likely.get(1, 0));
}

#[test]
fn instead_generates_no_answer_to_a_task_with_labels() {
    let (plain, beside) = (
        learned(SeqFt, LabelScores::None),
        learned(SeqFt, LabelScores::Beside),
    );
    let instead = learned(SeqFt, LabelScores::Instead);
    assert_eq!(instead.by_likelihood, ["up"]);
    assert_eq!(instead.label_matrix, None);
    let likely = beside.label_matrix.unwrap();
    for learned in 0..3 {
        assert_eq!(instead.matrix.get(learned, 0), likely.get(learned, 0));
        assert_eq!(instead.matrix.get(learned, 1), plain.matrix.get(learned, 1));
    }
    // Every answer is a label: that says nothing about the model.
    assert_eq!(instead.answers[0].as_ref().unwrap().in_format, None);
    let rows = &instead.answers[0].as_ref().unwrap().scores;
    assert_eq!(
        Some(rows.iter().sum::<f64>() / 5.0),
        instead.matrix.get(2, 0)
    );
    assert_eq!(instead.answers[1], plain.answers[1]);
    assert_eq!(instead.general, plain.general);
}

#[test]
fn questions_that_are_answered_in_two_ways_are_reported_twice() {
    for (scores, twice) in [
        (LabelScores::None, 0),
        (LabelScores::Beside, 1),
        (LabelScores::Instead, 0),
    ] {
        let (mut questions, mut beside) = (0, 0);
        learned_with(SeqFt, scores, &mut |event| match event {
            Event::Answered { questions: more } => questions += more,
            Event::Scored {
                beside: Some(_), ..
            } => beside += 1,
            _ => (),
        });
        // Six scores of five questions, and the probe twice; three of the scores are of the task with labels.
        assert_eq!(questions, 5 * (6 + 2 + 3 * twice));
        assert_eq!(beside, 3 * twice);
    }
}

/// Saves at every pause, and stops at every second one.
struct Stopping<'a>(&'a mut Checkpoints, usize);

impl CheckpointPolicy for Stopping<'_> {
    fn due(&mut self, _: Pause) -> bool {
        self.1 += 1;
        true
    }

    fn save(&mut self, state: Value, parts: Vec<StatePart<'_>>) -> Result<(), ContinualError> {
        self.0.save(&state, parts)
    }

    fn stopping(&self) -> bool {
        self.1 >= 2
    }
}

#[test]
fn a_run_in_pieces_keeps_both_matrices() {
    let tokenizer = tokenizer();
    let tasks = own_tasks(&tokenizer);
    for scores in [LabelScores::None, LabelScores::Beside, LabelScores::Instead] {
        let folder = tempfile::tempdir().unwrap();
        let config = settings(scores);
        let sequence = Sequence {
            tokenizer: &tokenizer,
            tasks: &tasks,
            general: Some(&tasks[1].evaluation),
            config: &config,
        };
        let mut pieces = 0;
        let outcome = loop {
            pieces += 1;
            let mut checkpoints = Checkpoints::open(folder.path().join("run")).unwrap();
            let latest = checkpoints.latest().cloned();
            if let Some(latest) = &latest {
                let state: Value = latest.json(SEQUENCE_FILE).unwrap();
                let has = |key: &str| state.get(key).is_some();
                // A run that scores no labels has the checkpoints that it had before they could be.
                assert_eq!(has("label_scores"), scores != LabelScores::None);
                assert_eq!(has("label_matrix"), scores == LabelScores::Beside);
            }
            let mut policy = Stopping(&mut checkpoints, 0);
            let start = model(&Device::flex().autodiff());
            let latest = latest.as_ref();
            let outcome = sequence.run_kept(start, &mut SeqFt, latest, &mut policy, &mut |_| ());
            match outcome {
                Ok(outcome) => break outcome,
                Err(ContinualError::Interrupted) => assert!(pieces < 100),
                Err(error) => panic!("{error}"),
            }
        };
        let whole = learned(SeqFt, scores);
        assert!(pieces > 5);
        assert_eq!(outcome.matrix, whole.matrix);
        assert_eq!(outcome.label_matrix, whole.label_matrix);
        assert_eq!(outcome.answers, whole.answers);
        assert_eq!(weights(&outcome.model), weights(&whole.model));
    }
}

#[test]
fn a_checkpoint_of_a_run_that_chose_answers_in_another_way_is_refused() {
    let tokenizer = tokenizer();
    let tasks = own_tasks(&tokenizer);
    let folder = tempfile::tempdir().unwrap();
    let attempt = |scores| {
        let mut checkpoints = Checkpoints::open(folder.path().join("run")).unwrap();
        let latest = checkpoints.latest().cloned();
        let config = settings(scores);
        let sequence = Sequence {
            tokenizer: &tokenizer,
            tasks: &tasks,
            general: None,
            config: &config,
        };
        let start = model(&Device::flex().autodiff());
        match latest {
            None => {
                let mut policy = Stopping(&mut checkpoints, 0);
                sequence.run_kept(start, &mut SeqFt, None, &mut policy, &mut |_| ())
            }
            latest => {
                let policy = &mut NoCheckpoints;
                sequence.run_kept(start, &mut SeqFt, latest.as_ref(), policy, &mut |_| ())
            }
        }
    };
    let error = attempt(LabelScores::Beside).unwrap_err();
    assert!(matches!(error, ContinualError::Interrupted));
    for other in [LabelScores::None, LabelScores::Instead] {
        let error = attempt(other).unwrap_err().to_string();
        assert!(error.contains("chosen in another way"), "{error}");
    }
    assert!(attempt(LabelScores::Beside).is_ok());
}
