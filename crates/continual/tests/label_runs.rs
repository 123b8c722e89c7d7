//! Sequences that score labels by their likelihood, beside generated answers or instead of them, in one piece and in several.

use burn::tensor::Device;
use continual::checkpoint::{Checkpoints, SEQUENCE_FILE};
use continual::methods::{MultiTaskFt, PerTaskFt, SeqFt};
use continual::trainer::TrainConfig;
use continual::{
    ContinualError, Event, LabelScores, Method, NoCheckpoints, Sequence, SequenceConfig,
    SequenceOutcome, Task,
};
use lm::{Decoder, TextTokenizer};
use serde_json::Value;

use crate::common::labelled::Labelled;
use crate::common::stopping::Stopping;
use crate::common::*;

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
