//! Flaws of data are found.

mod common;

use benchmarks::{Flaw, Split, TaskRows, flaws};
use common::{clean, row};

#[test]
fn clean_rows_have_no_flaw() {
    assert_eq!(flaws(&clean()), []);
    assert_eq!(flaws(&TaskRows::default()), []);
}

#[test]
fn shared_repeated_and_contradictory_rows_are_counted() {
    let mut rows = clean();
    rows.validation = rows.test.clone();
    rows.train[0] = rows.test[0].clone();
    rows.train[1] = row(&rows.test[1].prompt, "B");
    assert_ne!(rows.train[1].answer, rows.test[1].answer);
    rows.train[2] = rows.train[3].clone();
    rows.train[4] = row(&rows.train[5].prompt, "A");
    assert_ne!(rows.train[4].answer, rows.train[5].answer);
    rows.test.push(row("last", "-"));
    let shared = |of, with, rows, same_answer, all| Flaw::Shared {
        of,
        with,
        rows,
        same_answer,
        all,
    };
    let expected = [
        shared(Split::Test, Split::Train, 2, 1, 31),
        shared(Split::Test, Split::Validation, 30, 30, 31),
        shared(Split::Validation, Split::Train, 2, 1, 30),
        Flaw::Repeated {
            of: Split::Train,
            rows: 1,
            all: 60,
        },
        Flaw::Contradictory {
            of: Split::Train,
            prompts: 1,
        },
        Flaw::UnseenLabels {
            of: Split::Test,
            rows: 1,
            labels: vec!["-".to_string()],
        },
    ];
    assert_eq!(flaws(&rows), expected);
}

#[test]
fn rows_without_a_gold_label_are_counted_in_every_split() {
    let mut rows = clean();
    rows.labels = ["A", "B", "C"].map(str::to_string).to_vec();
    // White space around a label is ignored.
    rows.train[3].answer = " A\n".to_string();
    assert_eq!(flaws(&rows), []);
    let unlabelled = |of, rows, all| Flaw::Unlabelled { of, rows, all };
    rows.test[2].answer = "-".to_string();
    assert_eq!(flaws(&rows), [unlabelled(Split::Test, 1, 30)]);
    for row in &mut rows.validation[..2] {
        row.answer = "-".to_string();
    }
    for row in &mut rows.train[..3] {
        row.answer = "D".to_string();
    }
    // Rows without an answer have no unseen answer either.
    let expected = [
        unlabelled(Split::Train, 3, 60),
        unlabelled(Split::Validation, 2, 20),
        unlabelled(Split::Test, 1, 30),
    ];
    assert_eq!(flaws(&rows), expected);
    // If the answers are not fixed, every answer is valid.
    rows.labels.clear();
    let unlabelled = |flaw: &Flaw| matches!(flaw, Flaw::Unlabelled { .. });
    assert!(!flaws(&rows).iter().any(unlabelled));
}

#[test]
fn unseen_labels_are_listed_once_and_in_order() {
    let mut rows = clean();
    for (row, answer) in rows.test.iter_mut().zip(["E", "D", " E"]) {
        row.answer = answer.to_string();
    }
    rows.validation[4].answer = "F".to_string();
    let unseen = |of, rows, labels: &[&str]| Flaw::UnseenLabels {
        of,
        rows,
        labels: labels.iter().map(ToString::to_string).collect(),
    };
    let expected = [
        unseen(Split::Validation, 1, &["F"]),
        unseen(Split::Test, 3, &["D", "E"]),
    ];
    assert_eq!(flaws(&rows), expected);
}

#[test]
fn few_different_answers_make_a_task_one_of_fixed_answers() {
    let found = |labels: usize, train: usize| -> bool {
        let answer = |n: usize| format!("label {}", n % labels);
        let rows = TaskRows {
            train: (0..train).map(|n| row(n, &answer(n))).collect(),
            test: vec![row("a", "unseen"), row("b", "label 0")],
            ..TaskRows::default()
        };
        let unseen = |flaw: &Flaw| matches!(flaw, Flaw::UnseenLabels { .. });
        flaws(&rows).iter().any(unseen)
    };
    assert!(found(20, 200));
    assert!(!found(20, 199), "fewer than ten rows per answer");
    assert!(!found(21, 400), "more than twenty answers");
    assert!(found(1, 10));
    assert!(!found(1, 9));
}

#[test]
fn an_answer_counts_as_constant_from_60_percent() {
    let found = |often: usize, all: usize| -> Vec<Flaw> {
        let mut rows = clean();
        rows.test.truncate(all);
        for (n, row) in rows.test.iter_mut().enumerate() {
            row.answer = if n < often { "B " } else { "A" }.to_string();
        }
        flaws(&rows)
    };
    let constant = |label: &str, percent| Flaw::Constant {
        label: label.to_string(),
        percent,
    };
    assert_eq!(found(12, 20), [constant("B", 60)]);
    // 59.26 %
    assert_eq!(found(16, 27), []);
    // 80.95 %: the shown score never exceeds the real one.
    assert_eq!(found(17, 21), [constant("B", 80)]);
    assert_eq!(found(0, 5), [constant("A", 100)]);
}

#[test]
fn free_answers_have_no_unseen_label() {
    let mut rows = clean();
    for (n, row) in rows.train.iter_mut().chain(&mut rows.test).enumerate() {
        row.answer = format!("text {n}");
    }
    assert_eq!(flaws(&rows), []);
}

#[test]
fn every_flaw_is_a_sentence() {
    let (train, validation, test) = (Split::Train, Split::Validation, Split::Test);
    let shared = Flaw::Shared {
        of: test,
        with: validation,
        rows: 30,
        same_answer: 29,
        all: 31,
    };
    let repeated = Flaw::Repeated {
        of: train,
        rows: 4,
        all: 60,
    };
    let contradictory = |prompts| Flaw::Contradictory { of: test, prompts };
    let unseen = Flaw::UnseenLabels {
        of: test,
        rows: 3,
        labels: vec!["D".to_string(), "E".to_string()],
    };
    let unlabelled = |of| Flaw::Unlabelled {
        of,
        rows: 2,
        all: 20,
    };
    let constant = Flaw::Constant {
        label: "B".to_string(),
        percent: 80,
    };
    let cases = [
        (
            shared,
            "30 of 31 test rows have a prompt that stands in eval, 29 with the same answer",
        ),
        (repeated, "4 of 60 train rows repeat another one"),
        (
            contradictory(1),
            "1 prompt stands in test with more than one answer",
        ),
        (
            contradictory(2),
            "2 prompts stand in test with more than one answer",
        ),
        (
            unseen,
            "3 test rows have an answer that no training row has: D, E",
        ),
        (unlabelled(train), "2 of 20 train rows have no gold label"),
        (
            unlabelled(validation),
            "2 of 20 eval rows have no gold label",
        ),
        (unlabelled(test), "2 of 20 test rows have no gold label"),
        (constant, "always answering \"B\" scores 80"),
    ];
    for (flaw, sentence) in cases {
        assert_eq!(flaw.to_string(), sentence);
    }
}
