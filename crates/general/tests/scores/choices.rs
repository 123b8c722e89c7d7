//! Suites whose choices are compared by their likelihood, and the loss.

use general::{Protocol::LmEval, Protocol::Trace, Response, Score, Suite, Unit};
use serde_json::json;

use crate::assert_means;
use crate::common::{assert_near, choices, error_of_share, folder, likelihood, lines, open};

/// Log-probabilities and tokens of two choices, and which is taken by loss per token, by
/// log-probability, and by log-probability per character of two and eight characters.
type Two = ([(f64, usize); 2], [usize; 3]);

pub const TWO: [Two; 20] = [
    ([(-1.0, 2), (-2.0, 2)], [0, 0, 1]),
    ([(-2.0, 2), (-1.0, 2)], [1, 1, 1]),
    ([(-4.0, 2), (-6.0, 6)], [1, 0, 1]),
    ([(-6.0, 6), (-4.0, 2)], [0, 1, 1]),
    // Of equals the first is taken.
    ([(-3.0, 3), (-3.0, 3)], [0, 0, 1]),
    ([(-1.0, 1), (-4.0, 4)], [0, 0, 0]),
    ([(-1.0, 1), (-8.0, 4)], [0, 0, 0]),
    ([(-10.0, 2), (-10.5, 2)], [0, 0, 1]),
    ([(-10.5, 2), (-10.0, 2)], [1, 1, 1]),
    ([(0.0, 1), (-0.5, 1)], [0, 0, 0]),
    ([(-0.5, 1), (0.0, 1)], [1, 1, 1]),
    ([(-100.0, 10), (-101.0, 20)], [1, 0, 1]),
    ([(-101.0, 20), (-100.0, 10)], [0, 1, 1]),
    ([(-2.0, 4), (-2.0, 2)], [0, 0, 1]),
    ([(-2.0, 2), (-2.0, 4)], [1, 0, 1]),
    ([(-1.0, 4), (-4.5, 4)], [0, 0, 0]),
    ([(-1.0, 4), (-3.9, 4)], [0, 0, 1]),
    ([(-30.0, 3), (-20.0, 3)], [1, 1, 1]),
    ([(-20.0, 3), (-30.0, 3)], [0, 0, 1]),
    ([(-7.0, 7), (-6.0, 5)], [0, 1, 1]),
];

/// The right choice of a row of [`TWO`]: the first and the second in turn.
pub fn right(row: usize) -> usize {
    row % 2
}

/// Scores [`TWO`], and compares every row of every measure with the choice that it takes.
pub fn score_two(suite: &Suite, measures: &[usize]) -> Score {
    let responses: Vec<Response> = TWO.iter().map(|(of, _)| choices(of)).collect();
    let score = suite.score(&responses).unwrap();
    for (measure, column) in score.measures.iter().zip(measures) {
        for (row, value) in measure.values.iter().enumerate() {
            let is_right = TWO[row].1[*column] == right(row);
            assert_eq!(*value, if is_right { 100.0 } else { 0.0 }, "row {row}");
        }
    }
    score
}

#[test]
fn piqa() {
    let rows = (0..20)
        .map(|row| json!({"goal": "g", "sol1": "ab", "sol2": "abcdéfgh", "label": right(row)}));
    let folder = folder(&[("piqa.jsonl", lines(rows))]);
    let score = score_two(&open("piqa", Trace, folder.path()), &[0]);
    assert_means(&score, &[("accuracy", 45.0, error_of_share(9.0, 20.0))]);
    let score = score_two(&open("piqa", LmEval, folder.path()), &[1, 2]);
    let expected = [
        ("acc", 55.0, error_of_share(11.0, 20.0)),
        ("acc_norm", 40.0, error_of_share(8.0, 20.0)),
    ];
    assert_means(&score, &expected);
}

#[test]
fn boolq() {
    let rows =
        (0..20).map(|row| json!({"question": "q", "passage": "p", "answer": right(row) == 1}));
    let folder = folder(&[("boolq.jsonl", lines(rows))]);
    let score = score_two(&open("boolq", Trace, folder.path()), &[0]);
    assert_means(&score, &[("accuracy", 45.0, error_of_share(9.0, 20.0))]);
    let score = score_two(&open("boolq", LmEval, folder.path()), &[1]);
    assert_means(&score, &[("acc", 55.0, error_of_share(11.0, 20.0))]);
}

/// Log-probabilities and tokens of four choices, the right one, and which is taken by loss per
/// token and by log-probability.
type Four = ([(f64, usize); 4], usize, [usize; 2]);

const FOUR: [Four; 20] = [
    ([(-4.0, 4), (-3.0, 3), (-2.0, 4), (-8.0, 4)], 2, [2, 2]),
    ([(-1.0, 1), (-2.0, 2), (-3.0, 3), (-4.0, 4)], 0, [0, 0]),
    ([(-4.0, 4), (-3.0, 2), (-2.0, 1), (-1.0, 1)], 3, [0, 3]),
    ([(-9.0, 3), (-8.0, 2), (-7.0, 1), (-20.0, 10)], 3, [3, 2]),
    ([(-5.0, 5), (-5.0, 5), (-5.0, 5), (-5.0, 5)], 1, [0, 0]),
    ([(-5.0, 5), (-4.9, 5), (-5.0, 5), (-5.0, 5)], 1, [1, 1]),
    ([(-5.0, 5), (-5.0, 5), (-5.0, 5), (-4.9, 5)], 3, [3, 3]),
    ([(-6.0, 3), (-6.0, 4), (-6.0, 5), (-6.0, 6)], 0, [3, 0]),
    ([(-6.0, 6), (-6.0, 5), (-6.0, 4), (-6.0, 3)], 0, [0, 0]),
    ([(-2.0, 1), (-3.0, 2), (-4.0, 4), (-5.0, 3)], 2, [2, 0]),
    ([(-0.1, 1), (-0.2, 1), (-0.3, 1), (-0.4, 1)], 0, [0, 0]),
    ([(-0.4, 1), (-0.3, 1), (-0.2, 1), (-0.1, 1)], 1, [3, 3]),
    (
        [(-50.0, 100), (-40.0, 90), (-60.0, 110), (-30.0, 50)],
        1,
        [1, 3],
    ),
    (
        [(-50.0, 100), (-50.0, 101), (-50.0, 100), (-50.0, 100)],
        0,
        [1, 0],
    ),
    ([(-1.0, 2), (-1.0, 2), (-1.0, 3), (-1.0, 2)], 2, [2, 0]),
    ([(-7.0, 7), (-6.0, 7), (-5.0, 7), (-4.0, 7)], 3, [3, 3]),
    ([(-4.0, 7), (-5.0, 7), (-6.0, 7), (-7.0, 7)], 2, [0, 0]),
    ([(-5.0, 7), (-4.0, 7), (-5.0, 7), (-4.0, 7)], 1, [1, 1]),
    ([(-10.0, 5), (-9.0, 3), (-8.0, 2), (-7.0, 1)], 3, [0, 3]),
    ([(-3.0, 3), (-2.0, 2), (-1.0, 1), (-0.5, 1)], 3, [3, 3]),
];

#[test]
fn mmlu() {
    let subject = |row| if row < 12 { "astronomy" } else { "virology" };
    let row = |subject: &str, answer: usize| {
        let letter = ["A", "B", "C", "D"][answer];
        json!({"subject": subject, "question": "q", "choices": ["1", "2", "3", "4"], "answer": letter})
    };
    let examples = ["astronomy", "virology"].into_iter().flat_map(|subject| {
        [
            row(subject, 0),
            row(subject, 1),
            row(subject, 2),
            row(subject, 3),
            row(subject, 0),
        ]
    });
    let rows = FOUR.iter().enumerate();
    let rows = rows.map(|(index, (_, right, _))| row(subject(index), *right));
    let files = [
        ("mmlu.jsonl", lines(rows)),
        ("mmlu_fewshot.jsonl", lines(examples)),
    ];
    let folder = folder(&files);
    let responses: Vec<Response> = FOUR.iter().map(|(of, ..)| choices(of)).collect();
    for (protocol, column) in [(Trace, 0), (LmEval, 1)] {
        let score = open("mmlu", protocol, folder.path())
            .score(&responses)
            .unwrap();
        for (value, (_, right, picks)) in score.measures[0].values.iter().zip(FOUR) {
            assert_eq!(*value == 100.0, picks[column] == right);
        }
        // Both are right on 8 of 12 and 5 of 8 rows.
        let measure = (score.measures[0].name.as_str(), score.measures[0].mean);
        match protocol {
            Trace => {
                assert_eq!(measure.0, "accuracy");
                assert_near(
                    measure.1,
                    (800.0 / 12.0 + 62.5) / 2.0,
                    "the mean of subjects",
                );
            }
            LmEval => assert_eq!(measure, ("acc", 65.0)),
        }
    }
}

#[test]
fn the_loss_counts_a_text_by_its_tokens() {
    let texts: String = (0..20).map(|row| format!("Text {row}.\n")).collect();
    let folder = folder(&[("wiki.txt", texts)]);
    let suite = open("loss", Trace, folder.path());
    // Ten texts of 4 tokens with a loss of 1, ten of 12 tokens with a loss of 3.
    let of = |row| if row % 2 == 0 { (-4.0, 4) } else { (-36.0, 12) };
    let responses: Vec<_> = (0..20)
        .map(|row| Response::Loss(likelihood(of(row))))
        .collect();
    let score = suite.score(&responses).unwrap();
    assert_eq!(score.protocol, None);
    let measure = &score.measures[0];
    assert_eq!(
        (measure.name.as_str(), measure.unit),
        ("loss", Unit::NatsPerToken)
    );
    // 400 nats over 160 tokens.
    assert_near(measure.mean, 2.5, "the mean over tokens");
    assert_eq!(measure.values[..2], [1.0, 3.0]);
    // Weighted deviations are 4 * 1.5 and 12 * 0.5: 36 each, with 19 degrees of freedom.
    let expected = (20.0 * 36.0 / 19.0 * 20.0_f64).sqrt() / 160.0;
    assert_near(
        measure.standard_error.unwrap(),
        expected,
        "the standard error",
    );
}
