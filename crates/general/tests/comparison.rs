//! Scores before and after.

#![allow(clippy::unwrap_used)]

mod common;

use common::{assert_near, choices, folder, likelihood, lines, open, text};
use general::{Bootstrap, GeneralError, Protocol, Response, Score, Suite, Unit};
use serde_json::json;

/// A suite of ten rows, of which some are right.
fn boolq(question: &str) -> Suite {
    let row = json!({"question": question, "passage": "p", "answer": true});
    let folder = folder(&[("boolq.jsonl", lines(vec![row; 10]))]);
    open("boolq", Protocol::LmEval, folder.path())
}

fn score(suite: &Suite, right: [u8; 10]) -> Score {
    let response = |right| match right {
        1 => choices(&[(-2.0, 1), (-1.0, 1)]),
        _ => choices(&[(-1.0, 1), (-2.0, 1)]),
    };
    suite.score(&right.map(response)).unwrap()
}

fn refused(before: &Score, after: &Score) -> String {
    Score::compare(before, after, &Bootstrap::default())
        .unwrap_err()
        .to_string()
}

#[test]
fn rows_are_compared_in_pairs() {
    let suite = boolq("q");
    let before = score(&suite, [1, 1, 1, 1, 1, 1, 0, 0, 0, 0]);
    let after = score(&suite, [1, 1, 0, 0, 0, 0, 1, 0, 0, 0]);
    let found = Score::compare(&before, &after, &Bootstrap::default()).unwrap();
    let found = &found[0];
    assert_eq!((found.measure.as_str(), found.unit), ("acc", Unit::Percent));
    assert_eq!((found.before, found.after), (60.0, 30.0));
    assert_near(found.difference, -30.0, "the difference");
    assert_eq!((found.better, found.worse, found.equal), (1, 4, 5));
    // Two-sided: 2 * (1 + 5) / 32.
    assert_near(found.p_value, 0.375, "p");
    // Of the ten differences one is 100, four are -100; their squares around -30 sum to 41000.
    let expected = (41000.0 / 9.0 / 10.0_f64).sqrt();
    assert_near(found.standard_error.unwrap(), expected, "the error");
    assert!(found.interval.low < -30.0 && -30.0 < found.interval.high);
}

#[test]
fn equal_scores_do_not_differ() {
    let suite = boolq("q");
    let same = score(&suite, [1, 0, 1, 0, 1, 0, 1, 0, 1, 0]);
    let found = Score::compare(&same, &same, &Bootstrap::default()).unwrap();
    assert_eq!((found[0].difference, found[0].p_value), (0.0, 1.0));
    assert_eq!((found[0].interval.low, found[0].interval.high), (0.0, 0.0));
}

fn loss(of: [(f64, usize); 3]) -> Score {
    let folder = folder(&[("wiki.txt", "a\nb\nc\n".to_string())]);
    let suite = open("loss", Protocol::Trace, folder.path());
    let responses = of.map(|of| Response::Loss(likelihood(of)));
    suite.score(&responses).unwrap()
}

#[test]
fn a_lower_loss_is_better() {
    let before = loss([(-10.0, 5), (-20.0, 10), (-30.0, 15)]);
    let after = loss([(-5.0, 5), (-15.0, 10), (-45.0, 15)]);
    let found = Score::compare(&before, &after, &Bootstrap::default()).unwrap();
    assert_eq!((found[0].better, found[0].worse, found[0].equal), (2, 1, 0));
    // 65 - 60 nats over 30 tokens.
    assert_near(found[0].difference, 1.0 / 6.0, "the difference");
}

#[test]
fn scores_that_are_no_pair_are_refused() {
    let suite = boolq("q");
    let right = [1, 1, 1, 1, 1, 1, 1, 1, 1, 0];
    let before = score(&suite, right);
    let other = score(&boolq("another"), right);
    assert_eq!(
        refused(&before, &other),
        "the scores before and after cannot be compared: the suite was run with other rows, \
         prompts or rules: measure both again"
    );
    let texts = loss([(-1.0, 1); 3]);
    assert_eq!(
        refused(&before, &texts),
        "the scores before and after cannot be compared: one is boolq by lm-eval, the other loss"
    );
    let longer = loss([(-1.0, 1), (-1.0, 1), (-2.0, 2)]);
    assert_eq!(
        refused(&texts, &longer),
        "the scores before and after cannot be compared: loss/2 has 1 tokens before and 2 after, \
         so the tokenizers differ"
    );
    let mut renamed = before.clone();
    renamed.measures[0].name = "other".to_string();
    assert!(refused(&before, &renamed).contains("other measures"));
    let mut shorter = before.clone();
    shorter.measures[0].values.pop();
    assert!(refused(&before, &shorter).contains("lacks its value"));
    // A score of a file that lacks values on both sides is no panic either.
    let expected =
        "the number of a measure's values must be the number of rows, found 9 values for 10 rows";
    assert_eq!(refused(&shorter, &shorter), expected);
}

#[test]
fn protocols_are_never_mixed() {
    let row = json!({"question": "q", "passage": "p", "answer": true});
    let folder = folder(&[("boolq.jsonl", lines([row]))]);
    let of = |protocol| {
        let suite = open("boolq", protocol, folder.path());
        suite.score(&[choices(&[(-1.0, 1), (-2.0, 2)])]).unwrap()
    };
    assert_eq!(
        refused(&of(Protocol::Trace), &of(Protocol::LmEval)),
        "the scores before and after cannot be compared: one is boolq by trace, the other boolq by \
         lm-eval"
    );
}

#[test]
fn a_score_survives_a_file() {
    let score = score(&boolq("q"), [1, 0, 1, 0, 1, 0, 1, 0, 1, 1]);
    let json = serde_json::to_string(&score).unwrap();
    assert_eq!(serde_json::from_str::<Score>(&json).unwrap(), score);
    assert!(json.contains(r#""protocol":"lm-eval""#), "{json}");
}

#[test]
fn responses_that_do_not_answer_are_refused() {
    let suite = boolq("q");
    let good = choices(&[(-1.0, 1), (-2.0, 1)]);
    let refused = |last: Response| {
        let mut responses = vec![good.clone(); 9];
        responses.push(last);
        suite.score(&responses).unwrap_err().to_string()
    };
    assert_eq!(
        suite.score(&[]).unwrap_err().to_string(),
        "boolq has 10 requests, but 0 responses were given"
    );
    assert_eq!(
        refused(text("yes")),
        "boolq, row boolq/9: expected likelihoods of choices, found a text"
    );
    assert_eq!(
        refused(choices(&[(-1.0, 1)])),
        "boolq, row boolq/9: expected the likelihoods of 2 choices, found the likelihoods of 1 choices"
    );
    let expected = "expected a log-probability of at most 0 over at least one token";
    for (of, found) in [
        ((1.0, 1), "1 over 1 tokens"),
        ((-1.0, 0), "-1 over 0 tokens"),
    ] {
        let message = format!("boolq, row boolq/9: {expected}, found {found}");
        assert_eq!(refused(choices(&[(-1.0, 1), of])), message);
    }
    // Not a mistake of the caller: the model's numbers have run over, which runs count as divergence.
    let mut responses = vec![choices(&[(-1.0, 1), (-2.0, 1)]); 9];
    for log in [f64::NAN, f64::NEG_INFINITY] {
        responses.push(choices(&[(-1.0, 1), (log, 1)]));
        let error = suite.score(&responses).unwrap_err();
        assert!(
            matches!(&error, GeneralError::NotFinite { row, .. } if row == "boolq/9"),
            "{error}"
        );
        responses.pop();
    }
}
