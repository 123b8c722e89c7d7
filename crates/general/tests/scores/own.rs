//! A user's own files.

use general::{OwnSettings, open_own};
use serde_json::json;

use crate::choices::{right, score_two};
use crate::common::{error_of_share, folder, lines};
use crate::{assert_means, assert_values};

#[test]
fn texts_are_scored_three_ways() {
    // The right answer, the output, and exact match, F1 of words and ROUGE-L.
    let rows: [(&str, &str, [f64; 3]); 20] = [
        ("Paris", "Paris", [100.0, 100.0, 100.0]),
        // ROUGE-L reads a full stop as the end of a sentence, and keeps case.
        ("Paris", "paris.", [100.0, 100.0, 0.0]),
        ("Paris", "", [0.0, 0.0, 0.0]),
        ("Paris", "London", [0.0, 0.0, 0.0]),
        ("the river", "river", [0.0, 100.0, 200.0 / 3.0]),
        ("a b c d", "a b", [0.0, 50.0, 200.0 / 3.0]),
        ("b c d", "d c b", [0.0, 100.0, 100.0 / 3.0]),
        ("in 1922", "1922", [0.0, 200.0 / 3.0, 200.0 / 3.0]),
        ("1,234", "1234", [100.0, 100.0, 0.0]),
        ("1,234", "1,234", [100.0, 100.0, 100.0]),
        ("yes", "Yes!", [100.0, 100.0, 0.0]),
        ("yes", "yes yes", [0.0, 200.0 / 3.0, 100.0]),
        (
            "no",
            "I think the answer is no",
            [0.0, 100.0 / 3.0, 200.0 / 7.0],
        ),
        ("one two", "one  two", [100.0, 100.0, 100.0]),
        ("one two", "one two\nthree", [0.0, 80.0, 80.0]),
        ("x", "the", [0.0, 0.0, 0.0]),
        ("New York", "new york", [100.0, 100.0, 0.0]),
        ("New York", "York", [0.0, 200.0 / 3.0, 200.0 / 3.0]),
        ("é", "É", [100.0, 100.0, 0.0]),
        ("A", "B", [0.0, 0.0, 0.0]),
    ];
    let file = rows
        .iter()
        .map(|(answer, ..)| json!({"prompt": "p", "answer": answer, "id": 7}));
    let folder = folder(&[("trivia.jsonl", lines(file))]);
    let path = folder.path().join("trivia.jsonl");
    let suite = open_own(&path, &OwnSettings::default()).unwrap();
    assert_eq!((suite.name(), suite.protocol()), ("trivia", None));
    // ROUGE-L adds 1e-8 to a denominator, so that 100 is less by a millionth.
    let graded = rows.map(|(_, output, values)| (output, values));
    let score = assert_values(&suite, &graded, 1e-5);
    assert_eq!(score.measures[0].mean, 40.0);
    assert_eq!(suite.measures(), ["exact_match", "word_f1", "rouge_l"]);
}

#[test]
fn choices_are_taken_by_their_likelihood() {
    let rows = (0..20)
        .map(|row| json!({"prompt": "p", "choices": [" ab", " abcdefgh"], "answer": right(row)}));
    let folder = folder(&[("own.jsonl", lines(rows))]);
    let suite = open_own(&folder.path().join("own.jsonl"), &OwnSettings::default()).unwrap();
    let score = score_two(&suite, &[1, 2]);
    let expected = [
        ("accuracy", 55.0, error_of_share(11.0, 20.0)),
        ("accuracy_per_character", 40.0, error_of_share(8.0, 20.0)),
    ];
    assert_means(&score, &expected);
}
