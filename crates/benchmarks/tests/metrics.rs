//! Agreement with the Python originals, and what holds for any text.

#![allow(clippy::unwrap_used)]

use benchmarks::Score;
use benchmarks::metrics::{fuzzy_ratio, rouge_l, sari};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    prompt: String,
    answer: String,
    reference: String,
    rouge_l: f64,
    fuzzy_ratio: u8,
    sari: f64,
}

#[test]
fn scores_equal_those_of_the_python_packages() {
    let text = include_str!("metric_references.json");
    let rows: Vec<Reference> = serde_json::from_str(text).unwrap();
    assert!(rows.len() >= 20);
    for row in rows {
        let name = format!("{:?} / {:?}", row.answer, row.reference);
        // The same arithmetic in f64 in another order.
        let found = rouge_l(&row.reference, &row.answer);
        assert!(
            (found - row.rouge_l).abs() < 1e-9,
            "ROUGE-L of {name}: {found}"
        );
        let found = sari(&row.prompt, &row.answer, &row.reference);
        assert!(
            (found - row.sari).abs() < 1e-9,
            "SARI of {name}: {found}, {}",
            row.sari
        );
        assert_eq!(
            fuzzy_ratio(&row.answer, &row.reference),
            row.fuzzy_ratio,
            "{name}"
        );
    }
}

#[test]
fn empty_answers_score_nothing_and_count() {
    for score in [
        Score::Accuracy,
        Score::FirstCharacter,
        Score::RougeL,
        Score::FuzzyRatio,
    ] {
        let found = score.task_score(&["p", "p"], &["", "yes"], &["yes", "yes"]);
        assert!((found - 50.0).abs() < 1e-4, "{score:?} {found}");
    }
    assert_eq!(Score::RougeL.row_score("p", "...", "a b"), 0.0);
    assert_eq!(Score::Accuracy.task_score(&[], &[], &[]), 0.0);
}

#[test]
fn accuracy_reads_the_first_line_only() {
    let right = |answer: &str| Score::Accuracy.row_score("p", answer, "12") == 100.0;
    assert!(right("12") && right(" 12 \nbecause"));
    assert!(!right("12 apples") && !right("1"));
    let letter = |answer: &str| Score::FirstCharacter.row_score("p", answer, "B\nIt is round.");
    assert_eq!(letter("B"), 100.0);
    assert_eq!(letter(" Because"), 100.0);
    assert_eq!(letter("A\nIt is round."), 0.0);
}

proptest! {
    #[test]
    fn scores_of_any_text_are_in_range(
        prompt in ".{0,40}", answer in ".{0,40}", reference in ".{0,40}",
    ) {
        for score in [
            Score::Accuracy, Score::FirstCharacter, Score::RougeL, Score::Sari, Score::FuzzyRatio,
        ] {
            let found = score.row_score(&prompt, &answer, &reference);
            prop_assert!((0.0..=100.0 + 1e-9).contains(&found), "{score:?} {found}");
        }
    }

    #[test]
    fn the_expected_answer_scores_full(text in "[a-z]{1,8}( [a-z]{1,8}){0,10}") {
        for score in [
            Score::Accuracy, Score::FirstCharacter, Score::RougeL, Score::Sari, Score::FuzzyRatio,
        ] {
            let found = score.row_score("Simplify this:", &text, &text);
            // ROUGE-L's small term costs 1e-8 of the score.
            prop_assert!(found > 99.9999, "{score:?} {found}");
        }
    }
}
