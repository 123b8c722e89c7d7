//! What a sequence records beside its matrix: the answers in the end, row by row, and what the method carries.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::Device;
use continual::checkpoint::StatePart;
use continual::methods::{
    LoraConfig, LoraMethod, MultiTaskFt, OrthogonalityOn, PerTaskFt, PerTaskValue, SeqFt,
};
use continual::trainer::TrainConfig;
use continual::{Method, Scorer, Sequence, SequenceOutcome};
use lm::Decoder;
use osft::Targets;

use crate::common::*;

/// [`ExactMatch`] with a list of allowed answers.
struct Allowed(&'static [&'static str]);

impl Scorer for Allowed {
    fn score(&self, prompts: &[&str], answers: &[&str], references: &[&str]) -> f64 {
        ExactMatch.score(prompts, answers, references)
    }

    fn in_format(&self, answer: &str) -> Option<bool> {
        (!self.0.is_empty()).then(|| self.0.contains(&answer))
    }
}

fn learned(
    mut method: impl Method<Decoder>,
    allowed: &'static [&'static str],
) -> SequenceOutcome<Decoder> {
    let device = Device::flex();
    let tokenizer = tokenizer();
    let mut tasks = tasks(&tokenizer);
    tasks[0].evaluation.scorer = Arc::new(Allowed(allowed));
    let sequence = Sequence {
        tokenizer: &tokenizer,
        tasks: &tasks,
        general: None,
        config: &config(TrainConfig::default()),
    };
    let start = model(&device.autodiff());
    sequence.run(start, &mut method, &mut |_| ()).unwrap()
}

#[test]
fn the_scores_of_the_rows_have_the_mean_of_the_last_row_of_the_matrix() {
    let check = |outcome: SequenceOutcome<Decoder>| {
        for (task, answers) in outcome.answers.iter().enumerate() {
            let scores = &answers.as_ref().unwrap().scores;
            assert_eq!(scores.len(), 5);
            assert!(scores.iter().all(|score| [0.0, 100.0].contains(score)));
            let mean = scores.iter().sum::<f64>() / 5.0;
            // Fifths of a hundred are exact.
            assert_eq!(Some(mean), outcome.matrix.get(2, task));
        }
    };
    check(learned(SeqFt, &[]));
    check(learned(PerTaskFt::new(), &[]));
    check(learned(MultiTaskFt, &[]));
}

#[test]
fn the_share_in_the_right_format_counts_wrong_answers_too() {
    let share = |allowed| {
        learned(SeqFt, allowed).answers[0]
            .as_ref()
            .unwrap()
            .in_format
    };
    assert_eq!(share(&[]), None);
    assert_eq!(share(&["no such answer"]), Some(0.0));
    // After the second task, its answers are given to the first one's questions: in format, and mostly wrong.
    let outcome = learned(SeqFt, &["v", "w", "x", "y"]);
    let answers = outcome.answers[0].as_ref().unwrap();
    assert_eq!(answers.in_format, Some(100.0));
    assert!(outcome.matrix.get(2, 0).unwrap() < 100.0);
    // The other task has no list.
    assert_eq!(outcome.answers[1].as_ref().unwrap().in_format, None);
}

#[test]
fn what_is_carried_is_measured_after_every_task() {
    let carried = |outcome: &SequenceOutcome<Decoder>| -> Vec<u64> {
        let tasks = outcome.diagnostics.iter();
        tasks.map(|task| task.carried_bytes.unwrap()).collect()
    };
    assert_eq!(carried(&learned(SeqFt, &[])), [0, 0]);
    // One adapter through all tasks is carried on; one more for every task grows.
    let config = || LoraConfig {
        targets: Targets::matching([r"(q|v)_proj\.weight$"]),
        adapter_rank: 2,
        alpha: 4.0,
        orthogonality: PerTaskValue::All(0.5),
        orthogonality_on: OrthogonalityOn::A,
        size: PerTaskValue::All(0.0),
    };
    let one = carried(&learned(LoraMethod::sequential(config(), 4).unwrap(), &[]));
    assert!(one[0] > 0 && one[0] == one[1], "{one:?}");
    let each = carried(&learned(LoraMethod::orthogonal(config(), 4).unwrap(), &[]));
    assert!(each[0] > 0 && each[1] > each[0], "{each:?}");
}

#[test]
fn the_size_of_a_part_is_that_of_its_bytes_or_values() {
    let bytes = StatePart::bytes("a", || Ok(vec![0; 37]));
    assert_eq!(bytes.size().unwrap(), 37);
    let model = model(&Device::flex());
    let part = StatePart::module("b", &model);
    // All values are f32.
    assert_eq!(part.size().unwrap(), 4 * model.num_params() as u64);
}
