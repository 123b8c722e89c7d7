//! Flaws of data are found, and repaired without touching the test rows.

#![allow(clippy::unwrap_used)]

use benchmarks::{Flaw, Row, Split, TaskRows, flaws, repaired};

fn row(prompt: impl ToString, answer: &str) -> Row {
    Row {
        prompt: prompt.to_string(),
        answer: answer.to_string(),
    }
}

fn rows(first: usize, count: usize) -> Vec<Row> {
    let labels = ["A", "B", "C"];
    (first..first + count)
        .map(|n| row(n, labels[n % 3]))
        .collect()
}

fn clean() -> TaskRows {
    TaskRows {
        labels: Vec::new(),
        train: rows(0, 60),
        validation: rows(100, 20),
        test: rows(200, 30),
    }
}

#[test]
fn clean_rows_have_no_flaw_and_stay_as_they_are() {
    assert_eq!(flaws(&clean()), []);
    let (rows, changes) = repaired(clean());
    assert_eq!((rows, changes), (clean(), Vec::new()));
}

#[test]
fn every_kind_of_flaw_is_found() {
    let mut rows = clean();
    rows.validation = rows.test.clone();
    rows.train[0] = rows.test[0].clone();
    rows.train[1] = row(
        &rows.test[1].prompt,
        "other answer is still the same prompt",
    );
    rows.train[1].answer = "A".to_string();
    rows.train[2] = rows.train[3].clone();
    rows.train[4] = row(&rows.train[5].prompt, "A");
    rows.test.push(row("last", "-"));
    let found = flaws(&rows);
    let same = usize::from(rows.test[1].answer == "A");
    let shared = |of, with, rows, same_answer, all| Flaw::Shared {
        of,
        with,
        rows,
        same_answer,
        all,
    };
    assert!(found.contains(&shared(Split::Test, Split::Train, 2, 1 + same, 31)));
    assert!(found.contains(&shared(Split::Test, Split::Validation, 30, 30, 31)));
    assert!(found.contains(&shared(Split::Validation, Split::Train, 2, 1 + same, 30)));
    assert!(found.contains(&Flaw::Repeated {
        of: Split::Train,
        rows: 1,
        all: 60
    }));
    assert!(found.contains(&Flaw::Contradictory {
        of: Split::Train,
        prompts: 1
    }));
    assert!(found.contains(&Flaw::UnseenLabels {
        of: Split::Test,
        rows: 1,
        labels: vec!["-".to_string()]
    }));
    let text: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(
        text.join("\n")
            .contains("30 of 31 test rows have a prompt that stands in eval")
    );

    let mut rows = clean();
    for row in &mut rows.test[..21] {
        row.answer = "B".to_string();
    }
    let found = flaws(&rows);
    assert!(
        matches!(&found[..], [Flaw::Constant { label, percent: 80 }] if label == "B"),
        "{found:?}"
    );
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
fn repair_leaves_the_test_rows_alone() {
    let mut rows = clean();
    rows.validation = rows.test.clone();
    rows.train[0] = rows.test[0].clone();
    let (fixed, changes) = repaired(rows.clone());
    assert_eq!(fixed.test, rows.test);
    assert_eq!((fixed.train.len(), fixed.validation.len()), (54, 5));
    assert_eq!(changes.len(), 3, "{changes:?}");
    let of = |rows: &[Row]| -> Vec<String> { rows.iter().map(|r| r.prompt.clone()).collect() };
    let (train, validation, test) = (of(&fixed.train), of(&fixed.validation), of(&fixed.test));
    assert!(
        train
            .iter()
            .all(|prompt| !test.contains(prompt) && !validation.contains(prompt))
    );
    assert!(validation.iter().all(|prompt| !test.contains(prompt)));
    assert!(flaws(&fixed).is_empty());
    // A few rows are not enough to give any away.
    let mut few = rows;
    few.train.truncate(5);
    assert!(repaired(few).0.validation.is_empty());
}
