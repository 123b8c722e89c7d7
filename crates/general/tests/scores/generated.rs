//! Suites whose answers are generated.

use general::{Protocol, Protocol::LmEval, Protocol::Trace, Suite};
use serde_json::json;
use tempfile::TempDir;

use crate::common::{error_of_share, folder, lines, open};
use crate::{assert_means, assert_values};

/// Right and wrong.
const R: f64 = 100.0;
const W: f64 = 0.0;

fn gsm8k(protocol: Protocol, answers: &[&str]) -> (TempDir, Suite) {
    let row = |answer: &str| json!({"question": "q", "answer": format!("It is.\n#### {answer}")});
    let turn = json!({"user": "u", "assistant": "a"});
    let files = [
        (
            "gsm8k.jsonl",
            lines(answers.iter().map(|answer| row(answer))),
        ),
        ("gsm8k_fewshot.jsonl", lines((0..5).map(|_| row("1")))),
        (
            "prompts/gsm8k_trace.json",
            json!([turn, turn, turn, turn]).to_string(),
        ),
    ];
    let folder = folder(&files);
    let suite = open("gsm8k", protocol, folder.path());
    (folder, suite)
}

#[test]
fn gsm8k_by_trace() {
    // The number, the output, and its score by the last word with a digit and by the last number.
    let rows = [
        ("5", "The answer is 5", [R, R]),
        ("5", "The answer is 5.", [R, R]),
        ("1,234", "The answer is 1,234", [R, W]),
        ("1234", "The answer is 1,234", [R, W]),
        ("1,234", "1234", [R, R]),
        ("18", "She makes $18.", [R, R]),
        ("18", "$18.00", [W, R]),
        ("5", "", [W, W]),
        ("5", "no number at all", [W, W]),
        ("5", "The answer is 4. No, the answer is 5", [R, R]),
        ("5", "The answer is 5. Check: 2 + 3", [W, W]),
        (
            "5",
            "The answer is 5\n\nQuestion: How many?\nAnswer: 7",
            [R, R],
        ),
        ("5", "First 3.\n\nThe answer is 5", [W, R]),
        ("-5", "The answer is -5", [W, R]),
        ("25", "The area is 25 m²", [W, R]),
        ("5", "5 apples", [R, R]),
        ("5", "5\napples 6 of", [W, W]),
        // Only spaces end a word.
        ("12", "It is 3\n12", [W, R]),
        ("0", "zero", [W, W]),
        ("3", "The answer is 3.0000000001", [W, R]),
    ];
    let (_folder, suite) = gsm8k(Trace, &rows.map(|row| row.0));
    let score = assert_values(&suite, &rows.map(|row| (row.1, row.2)), 0.0);
    let expected = [
        ("accuracy", 45.0, error_of_share(9.0, 20.0)),
        ("accuracy_last_number", 65.0, error_of_share(13.0, 20.0)),
    ];
    assert_means(&score, &expected);
}

#[test]
fn gsm8k_by_lm_eval() {
    // The number, the output, and its score by the strict and by the flexible filter.
    let rows = [
        ("5", "#### 5", [R, R]),
        ("5", "#### 5.", [R, R]),
        ("1,234", "#### 1,234", [R, R]),
        ("1234", "#### 1,234", [R, R]),
        ("5", "The answer is 5", [W, R]),
        ("5", "The answer is $5.", [W, R]),
        ("5", "", [W, W]),
        ("5", "nothing", [W, W]),
        ("5", "#### 4\n#### 5", [W, R]),
        ("5", "#### 5\n#### 4", [R, W]),
        ("5", "#### five", [W, W]),
        ("5", "#### $5", [W, R]),
        ("-5", "#### -5", [R, R]),
        ("5", "#### 5.0", [W, W]),
        ("5", "#### 5 Question: 7", [R, R]),
        ("5", "The answer is 5. The answer is 6.", [W, W]),
        ("5", "The answer is 6. The answer is 5.", [W, R]),
        ("5", "#### 5</s>#### 9 Question: 1", [R, R]),
        ("1000", "#### 1,000.", [R, R]),
        ("5", "5 and then ...", [W, W]),
    ];
    let (_folder, suite) = gsm8k(LmEval, &rows.map(|row| row.0));
    let score = assert_values(&suite, &rows.map(|row| (row.1, row.2)), 0.0);
    let expected = [
        ("exact_match,strict-match", 45.0, error_of_share(9.0, 20.0)),
        (
            "exact_match,flexible-extract",
            65.0,
            error_of_share(13.0, 20.0),
        ),
    ];
    assert_means(&score, &expected);
}

/// Twelve rows of a task with choices, then eight of one with texts.
fn bbh(protocol: Protocol, targets: &[&str]) -> (TempDir, Suite) {
    let task = |row| if row < 12 { "hyperbaton" } else { "navigate" };
    let rows = targets.iter().enumerate();
    let rows = rows.map(|(row, target)| json!({"task": task(row), "input": "i", "target": target}));
    let example = "Do.\n\nQ: q\nA: Let's think step by step.\nSo the answer is x.".to_string();
    let files = [
        ("bbh.jsonl", lines(rows)),
        ("prompts/bbh/hyperbaton.txt", example.clone()),
        ("prompts/bbh/navigate.txt", example),
    ];
    let folder = folder(&files);
    let suite = open("bbh", protocol, folder.path());
    (folder, suite)
}

#[test]
fn bbh_by_trace() {
    let rows = [
        ("(A)", "So the answer is (A).", [R]),
        ("(A)", "the answer is A.", [R]),
        ("(B)", "Let us see. (A) is wrong, so (B)", [W]),
        ("(B)", "The answer is (B). Or the answer is (C).", [R]),
        ("(B)", "The answer is: (B)", [R]),
        ("(A)", "", [W]),
        ("(C)", "c", [W]),
        // The first capital letter of the output, in whatever word.
        ("(A)", "An adjective comes first", [R]),
        ("(B)", "The answer is b) no, it is (B)", [R]),
        ("(B)", "So the answer is the second, (A or (B)", [W]),
        ("(A)", " (A)", [R]),
        ("(A)", "answer is B. answer is A", [W]),
        ("Yes", "So the answer is Yes.", [R]),
        ("Yes", "So the answer is Yes", [R]),
        ("Yes", "Yes", [R]),
        ("Yes", "So the answer is yes.", [W]),
        ("Yes", "", [W]),
        ("Yes", "We are back.\nSo the answer is Yes.\n\nQ: more", [R]),
        ("No", "The answer is No. Wait, the answer is Yes.", [W]),
        ("No", "The answer is No\nThe answer is Yes", [R]),
    ];
    let (_folder, suite) = bbh(Trace, &rows.map(|row| row.0));
    let score = assert_values(&suite, &rows.map(|row| (row.1, row.2)), 0.0);
    // The mean of 7 of 12 and 5 of 8, and the error of a mean of two independent shares.
    let mean = 100.0 * (7.0 / 12.0 + 5.0 / 8.0) / 2.0;
    let errors = [error_of_share(7.0, 12.0), error_of_share(5.0, 8.0)];
    let error = (errors[0].powi(2) + errors[1].powi(2)).sqrt() / 2.0;
    assert_means(&score, &[("accuracy", mean, error)]);
    let groups = score.by_group(&score.measures[0]).unwrap();
    let groups: Vec<_> = groups
        .iter()
        .map(|g| (g.group.as_str(), g.rows, g.mean))
        .collect();
    let expected = [("hyperbaton", 12, 700.0 / 12.0), ("navigate", 8, 62.5)];
    assert_eq!(groups, expected);
}

#[test]
fn bbh_by_lm_eval() {
    let rows = [
        ("(A)", "So the answer is (A).", [R]),
        // The filter drops the last character, whatever it is.
        ("(A)", "So the answer is (A)", [W]),
        ("(A)", "So The answer is (A).", [W]),
        ("(A)", "the answer is (A).the answer is (B).", [W]),
        ("(A)", "the answer is (A).\nthe answer is (B).", [R]),
        ("(A)", "", [W]),
        ("(A)", "(A)", [W]),
        ("(B)", "the answer is (B). ", [W]),
        ("(B)", "the answer is (B).\n\nQ: next", [R]),
        ("(B)", "Quite: the answer is (B).", [W]),
        ("(B)", "the answer is \nthe answer is (B).", [R]),
        ("(A)", "the answer is  (A) .", [R]),
        ("Yes", "So the answer is Yes.", [R]),
        ("Yes", "So the answer is Yes!", [R]),
        ("Yes", "So the answer is yes.", [W]),
        ("No", "So the answer is No.</s>", [R]),
        ("No", "the answer is N", [W]),
        ("5", "the answer is 5.", [R]),
        ("Yes", "answer is Yes.", [W]),
        ("Yes", "So the answer is Yesé", [R]),
    ];
    let (_folder, suite) = bbh(LmEval, &rows.map(|row| row.0));
    let score = assert_values(&suite, &rows.map(|row| (row.1, row.2)), 0.0);
    // 5 of 12 and 5 of 8 are 10 of 20; the errors are pooled over 20 rows less 2 groups.
    let squares = 12.0 * (5.0 / 12.0) * (7.0 / 12.0) + 8.0 * (5.0 / 8.0) * (3.0 / 8.0);
    let error = 100.0 * (squares / 18.0 / 20.0_f64).sqrt();
    assert_means(&score, &[("exact_match,get-answer", 50.0, error)]);
}

#[test]
fn tydiqa_by_trace() {
    // Right answers, the output, and its F1 and exact match.
    let rows: [(&[&str], &str, [f64; 2]); 20] = [
        (&["1922"], "1922", [R, R]),
        // Only the output is put into lower case.
        (&["Paris"], "Paris", [W, W]),
        // Vowel signs are no letters in Python.
        (&["ক্তি"], "কত", [R, R]),
        (&["the river"], "river", [R, R]),
        (&["in 1922"], "1922", [200.0 / 3.0, W]),
        (&["1922", "in 1922"], "in 1922", [R, R]),
        (&["12 may 1922"], "12 may 1922, I think", [R, R]),
        (&["12 may 1922"], "12 may\n1922", [80.0, W]),
        (&["1922"], "", [W, W]),
        (&["u.s. army"], "u.s. army", [R, R]),
        (&["a b b"], "b b b", [80.0, W]),
        (&["1922"], "It was 1922", [50.0, W]),
        (&["kyllä"], "Kyllä", [R, R]),
        (&["7,5 kg"], "7", [R, R]),
        (&["karhu"], "karhut", [W, W]),
        (&["vuonna 1922"], "1922 vuonna", [R, W]),
        (&["[karhu]"], "karhu!", [R, R]),
        (&["karhu"], ".karhu", [W, W]),
        // Nothing is left of either, so they are equal, but share no word.
        (&["."], ".", [W, R]),
        (&["yksi kaksi"], "yksi  kaksi", [R, R]),
    ];
    let frame = json!({"instruction": "i", "passage": "p", "question": "q", "answer": "a"});
    let language = |row| if row < 12 { "english" } else { "finnish" };
    let file = rows.iter().enumerate().map(|(row, (answers, ..))| {
        json!({"language": language(row), "question": "q", "context": "c", "answers": answers})
    });
    let frames = json!({"english": frame, "finnish": frame}).to_string();
    let files = [
        ("tydiqa.jsonl", lines(file)),
        ("prompts/tydiqa_trace.json", frames),
    ];
    let folder = folder(&files);
    let suite = open("tydiqa", Trace, folder.path());
    let graded = rows.map(|(_, output, values)| (output, values));
    // F1 of shares is rounded in its last digits.
    let score = assert_values(&suite, &graded, 1e-12);
    let means: Vec<_> = score
        .measures
        .iter()
        .map(|m| (m.name.as_str(), m.mean))
        .collect();
    // English: 876 2/3 of 12 and 6 of 12; Finnish: 5 of 8 both.
    let expected = [("f1", (2630.0 / 36.0 + 62.5) / 2.0), ("exact_match", 56.25)];
    for ((name, mean), (expected_name, expected)) in means.iter().zip(expected) {
        assert_eq!(*name, expected_name);
        crate::assert_near(*mean, expected, name);
    }
}
