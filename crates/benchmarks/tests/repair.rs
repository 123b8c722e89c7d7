//! Repair fixes flaws of data and keeps all test rows that have a gold label.

mod common;

use benchmarks::{Row, TaskRows, flaws, repaired};
use common::{clean, rows};

fn prompts(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row.prompt.as_str()).collect()
}

#[test]
fn clean_rows_stay_unchanged() {
    assert_eq!(repaired(clean()), (clean(), Vec::new()));
    let mut labelled = clean();
    labelled.labels = ["A", "B", "C"].map(str::to_string).to_vec();
    assert_eq!(repaired(labelled.clone()), (labelled, Vec::new()));
}

#[test]
fn repair_keeps_the_test_rows() {
    let mut rows = clean();
    rows.validation = rows.test.clone();
    rows.train[0] = rows.test[0].clone();
    rows.train[1] = rows.test[1].clone();
    // Repeated and contradictory test rows stay too: published scores include them.
    rows.test.push(rows.test[1].clone());
    rows.test.push(Row {
        answer: "other".to_string(),
        ..rows.test[2].clone()
    });
    let (fixed, changes) = repaired(rows.clone());
    assert_eq!(fixed.test, rows.test);
    // Every tenth of the 58 remaining training rows.
    assert_eq!(prompts(&fixed.validation), ["11", "21", "31", "41", "51"]);
    let others: Vec<String> = (2..60)
        .filter(|n| *n < 11 || *n % 10 != 1)
        .map(|n| n.to_string())
        .collect();
    assert_eq!(prompts(&fixed.train), others);
    assert_eq!(
        changes,
        [
            "left out 2 of 60 training rows whose prompt is a test row's",
            "left out 30 of 30 validation rows whose prompt is a test or training row's",
            "5 training rows became validation rows, since none was left",
        ]
    );
}

#[test]
fn validation_rows_share_no_prompt_with_the_others() {
    let mut rows = clean();
    rows.validation[3] = rows.test[0].clone();
    rows.validation[5] = rows.train[0].clone();
    // The same prompt is enough, whatever the answer.
    rows.validation[7].prompt = rows.train[1].prompt.clone();
    let (fixed, changes) = repaired(rows);
    let kept: Vec<String> = (100..120)
        .filter(|n| ![103, 105, 107].contains(n))
        .map(|n| n.to_string())
        .collect();
    assert_eq!(prompts(&fixed.validation), kept);
    assert_eq!((fixed.train, fixed.test), (clean().train, clean().test));
    let expected = "left out 3 of 20 validation rows whose prompt is a test or training row's";
    assert_eq!(changes, [expected]);
}

#[test]
fn ten_training_rows_give_one_validation_row() {
    let of = |count: usize| {
        let (fixed, _) = repaired(TaskRows {
            train: rows(0, count),
            test: rows(200, 3),
            ..TaskRows::default()
        });
        (fixed.train.len(), fixed.validation.len())
    };
    assert_eq!(of(9), (9, 0));
    assert_eq!(of(10), (9, 1));
    assert_eq!(of(19), (18, 1));
    assert_eq!(of(20), (18, 2));
    // A row that becomes a validation row is removed from the training rows, at every occurrence.
    let mut train = rows(0, 10);
    train[0] = train[9].clone();
    let (fixed, _) = repaired(TaskRows {
        train,
        ..TaskRows::default()
    });
    assert_eq!(prompts(&fixed.validation), ["9"]);
    assert_eq!(
        prompts(&fixed.train),
        ["1", "2", "3", "4", "5", "6", "7", "8"]
    );
}

#[test]
fn rows_without_a_gold_label_are_removed_from_every_split() {
    let mut rows = clean();
    rows.labels = ["A", "B", "C"].map(str::to_string).to_vec();
    rows.train[4].answer = " B ".to_string();
    for row in &mut rows.train[..3] {
        row.answer = "D".to_string();
    }
    for row in &mut rows.validation[..2] {
        row.answer = "-".to_string();
    }
    rows.test[29].answer = "-".to_string();
    let (fixed, changes) = repaired(rows.clone());
    assert_eq!(fixed.labels, rows.labels);
    assert_eq!(fixed.train, rows.train[3..]);
    assert_eq!(fixed.validation, rows.validation[2..]);
    assert_eq!(fixed.test, rows.test[..29]);
    assert_eq!(
        changes,
        [
            "left out 3 of 60 train rows that have no gold label",
            "left out 2 of 20 eval rows that have no gold label",
            "left out 1 of 30 test rows that have no gold label",
        ]
    );
    assert_eq!(flaws(&fixed), []);
}

#[test]
fn a_test_row_without_a_gold_label_removes_no_training_row() {
    let mut rows = clean();
    rows.labels = ["A", "B", "C"].map(str::to_string).to_vec();
    rows.test[0] = Row {
        prompt: rows.train[0].prompt.clone(),
        answer: "-".to_string(),
    };
    let (fixed, changes) = repaired(rows);
    assert_eq!(fixed.train, clean().train);
    assert_eq!(fixed.test, clean().test[1..]);
    let expected = "left out 1 of 30 test rows that have no gold label";
    assert_eq!(changes, [expected]);
}
