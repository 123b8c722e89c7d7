//! Agreement with the Python originals, and properties for any text.

#![allow(clippy::unwrap_used)]

use benchmarks::Score;
use benchmarks::metrics::{fuzzy_ratio, rouge_l, sari, undo_literals};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    prompt: String,
    answer: String,
    reference: String,
    rouge_l: f64,
    fuzzy_ratio: u8,
    code_ratio: u8,
    sari: f64,
}

#[test]
fn scores_equal_those_of_the_python_packages() {
    let text = include_str!("metric_references.json");
    let rows: Vec<Reference> = serde_json::from_str(text).unwrap();
    assert!(rows.len() >= 32);
    for row in rows {
        let name = format!("{:?} / {:?}", row.answer, row.reference);
        // The same arithmetic in f64, in another order.
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
        let code = [&row.answer, &row.reference].map(|text| undo_literals(text));
        assert_eq!(fuzzy_ratio(&code[0], &code[1]), row.code_ratio, "{name}");
        // As tasks are scored: with the roles of the texts, and in points of 100; so is the bound.
        let score = |score: Score| score.row_score(&row.prompt, &row.answer, &row.reference);
        assert!((score(Score::sari()) - row.sari).abs() < 1e-9, "{name}");
        if !row.answer.is_empty() && !row.reference.is_empty() {
            let found = score(Score::rouge_l());
            assert!((found - 100.0 * row.rouge_l).abs() < 1e-7, "{name}");
        }
    }
}

#[test]
fn empty_answers_score_0_and_count_in_the_mean() {
    for score in [
        Score::accuracy(),
        Score::exact_match(),
        Score::first_character(),
        Score::fuzzy_ratio(),
    ] {
        let found = score.task_score(&["p", "p"], &["", "yes"], &["yes", "yes"]);
        assert_eq!(found, 50.0, "{score:?}");
        // Two empty texts are equal but score 0.
        assert_eq!(score.row_score("p", "", ""), 0.0, "{score:?}");
        assert_eq!(score.row_score("p", "yes", ""), 0.0, "{score:?}");
        // White space is removed before that.
        assert_eq!(score.row_score("p", "", " "), 0.0, "{score:?}");
        assert_eq!(score.row_score("p", " ", ""), 0.0, "{score:?}");
    }
    let found = Score::rouge_l().task_score(&["p", "p"], &["", "yes"], &["yes", "yes"]);
    // The F score's small term: 1 / (2 + 1e-8) instead of 1 / 2.
    assert_eq!(found, 50.0 * 2.0 / (2.0 + 1e-8));
    assert_eq!(Score::rouge_l().row_score("p", "", "a b"), 0.0);
    assert_eq!(Score::rouge_l().row_score("p", "...", "a b"), 0.0);
    assert_eq!(Score::accuracy().task_score(&[], &[], &[]), 0.0);
    // SARI also reads the prompt: nothing is kept or added, and everything is deleted, which is
    // right.
    let sari = Score::sari().row_score("p", "", "");
    assert_eq!(sari, 100.0);
}

#[test]
fn exact_match_ignores_only_case_punctuation_and_white_space() {
    let score = |answer: &str| Score::exact_match().row_score("p", answer, "Not a match.");
    for answer in [
        "Not a match.",
        "not a match",
        " NOT\ta \n match!?",
        "no-t a ma'tch",
        // White space in Python but not in Unicode.
        "not\u{1c}a\u{1d}\u{1e}match\u{1f}",
    ] {
        assert_eq!(score(answer), 100.0, "{answer:?}");
    }
    // Articles and punctuation beyond ASCII count.
    for answer in [
        "not match",
        "not a match\nor is it",
        "nota match",
        "not a match。",
    ] {
        assert_eq!(score(answer), 0.0, "{answer:?}");
    }
}

#[test]
fn accuracy_reads_the_first_line_only() {
    let right = |answer: &str| Score::accuracy().row_score("p", answer, "12") == 100.0;
    assert!(right("12") && right(" 12 \nbecause"));
    assert!(right("\u{1f}12\u{1c}\nbecause") && right("\u{1d}\n12"));
    let first = |answer: &str| Score::first_character().row_score("p", answer, "A");
    assert_eq!((first("\u{1e} A) yes"), first("\u{1b}A")), (100.0, 0.0));
    assert!(!right("12 apples") && !right("1"));
    let letter = |answer: &str| Score::first_character().row_score("p", answer, "B\nIt is round.");
    assert_eq!(letter("B"), 100.0);
    assert_eq!(letter(" Because"), 100.0);
    assert_eq!(letter("A\nIt is round."), 0.0);
}

#[test]
fn fuzzy_ratio_reads_code_up_to_its_first_end_of_line() {
    let score = |answer: &str| Score::fuzzy_ratio().row_score("p", answer, "x = <NUM_LIT:1> ");
    for answer in [
        "x = 1",
        "x = <NUM_LIT:1> <EOL> y = <NUM_LIT>",
        "x = 1\ny = 2",
    ] {
        assert_eq!(score(answer), 100.0, "{answer:?}");
    }
    assert_eq!(score("<EOL> x = <NUM_LIT:1>"), 0.0);
    // Four of five characters of each text: 2 * 4 / 10.
    assert_eq!(score("x = 2"), 80.0);
}

#[test]
fn the_score_of_a_task_is_the_mean_over_its_rows() {
    let answers = ["12", "", "7 apples", " 3\n"];
    let references = ["12", "4", "7", "3"];
    let found = Score::accuracy().task_score(&["p"; 4], &answers, &references);
    assert_eq!(found, 50.0);
}

proptest! {
    #[test]
    fn scores_of_any_text_are_in_range(
        prompt in "(?s).{0,40}", answer in "(?s).{0,40}", reference in "(?s).{0,40}",
    ) {
        for score in [
            Score::accuracy(), Score::exact_match(), Score::first_character(), Score::rouge_l(), Score::sari(),
            Score::fuzzy_ratio(),
        ] {
            let found = score.row_score(&prompt, &answer, &reference);
            prop_assert!((0.0..=100.0 + 1e-9).contains(&found), "{score:?} {found}");
        }
    }

    #[test]
    fn the_expected_answer_gets_the_full_score(text in "\\p{L}{1,8}( \\p{L}{1,8}){0,10}") {
        for score in [
            Score::accuracy(), Score::exact_match(), Score::first_character(), Score::rouge_l(), Score::sari(),
            Score::fuzzy_ratio(),
        ] {
            let found = score.row_score("Simplify this:", &text, &text);
            // ROUGE-L's small term costs 1e-8 of the score.
            prop_assert!(found > 99.9999, "{score:?} {found}");
        }
    }
}
