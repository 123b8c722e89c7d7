//! Rows that are not there, where a number would be made of them.

use burn::data::dataset::{Dataset, InMemDataset};
use burn::tensor::Device;
use continual::methods::SeqFt;
use continual::trainer::{TaskTraining, TrainConfig, Training, ValidationConfig, fit};
use continual::{ContinualError, EvaluationSet, Sequence};
use lm::Example;

use crate::common::*;

#[test]
fn validation_rows_without_an_answer_decide_nothing() {
    let device = Device::flex().autodiff();
    let tokenizer = tokenizer();
    let train = task("up", ["v", "w", "v", "w", "x"], &tokenizer).train;
    let without: Vec<Example> = (0..3)
        .map(|row| Example {
            answer: Vec::new(),
            loss_mask: Vec::new(),
            ..train.get(row).unwrap()
        })
        .collect();
    let (without, none) = (InMemDataset::new(without), InMemDataset::new(Vec::new()));
    let fit_with = |validation: Option<&dyn Dataset<Example>>, settings: ValidationConfig| {
        let config = TrainConfig {
            validation: settings,
            ..TrainConfig::default()
        };
        let start = model(&device);
        let optimizer = config.optimizer().for_module(&start).unwrap();
        let task = TaskTraining {
            task: "up",
            config: &config,
            rows: train.as_ref(),
            validation,
            epochs: 1,
            seed: 0,
        };
        fit(Training::new(start, optimizer), task, &SeqFt, &mut |_| {
            Ok(())
        })
    };
    let watching = ValidationConfig {
        every_epochs: 1,
        ..ValidationConfig::default()
    };
    let keeping = ValidationConfig {
        keep_best: true,
        ..watching
    };
    let refused = [
        (Some(&without as &dyn Dataset<Example>), keeping),
        (Some(&without), watching),
        (Some(&none), keeping),
        (None, keeping),
    ];
    for (rows, settings) in refused {
        let error = fit_with(rows, settings).map(|_| ()).unwrap_err();
        assert!(
            matches!(&error, ContinualError::NoValidation { task, rows: found }
                if task == "up" && *found == rows.map_or(0, |rows| rows.len())),
            "{error}"
        );
    }
    // Where the loss decides nothing, a task without validation rows has none.
    fit_with(None, watching).unwrap();
}

#[test]
fn a_probe_without_questions_has_no_score() {
    let tokenizer = tokenizer();
    let tasks = [task("up", ["v", "w", "v", "w", "x"], &tokenizer)];
    let probe = EvaluationSet {
        questions: Vec::new(),
        ..tasks[0].evaluation.clone()
    };
    let settings = config(TrainConfig::default());
    let sequence = Sequence {
        tokenizer: &tokenizer,
        tasks: &tasks,
        general: Some(&probe),
        config: &settings,
    };
    let start = model(&Device::flex().autodiff());
    let error = sequence.run(start, &mut SeqFt, &mut |_| {}).map(|_| ());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("general knowledge"), "{error}");
}
