//! Prompts and scores equal those of the protocols' own code, recorded by `make_references.py` on made-up rows.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use common::{assert_near, choices, folder, open, text};
use general::{Protocol, Request, Suite, SuiteRow};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    suite: String,
    protocol: Protocol,
    files: BTreeMap<String, String>,
    /// Of every fifth row.
    prompts: Vec<Texts>,
    responses: Vec<Answer>,
    measures: BTreeMap<String, Expected>,
}

/// What the model reads: one text, or one for each choice.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Each(Vec<String>),
}

/// What the model answers: a text, or the log-probabilities of the choices.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Text(String),
    LogProbabilities(Vec<f64>),
}

#[derive(Deserialize)]
struct Expected {
    values: Vec<f64>,
    mean: f64,
    /// OpenCompass has none.
    standard_error: Option<f64>,
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("references.json")).unwrap()
}

fn suite(case: &Case) -> Suite {
    let files = case.files.iter();
    let files: Vec<_> = files
        .map(|(name, content)| (name.as_str(), content.clone()))
        .collect();
    open(&case.suite, case.protocol, folder(&files).path())
}

fn texts(row: &SuiteRow) -> Texts {
    match &row.request {
        Request::Generate { prompt, .. } => Texts::One(prompt.text()),
        Request::Choose {
            prompt, choices, ..
        } => {
            let texts = choices.iter().map(|choice| format!("{prompt}{choice}"));
            Texts::Each(texts.collect())
        }
        Request::Loss { text, .. } => Texts::One(text.clone()),
    }
}

#[test]
fn prompts_are_the_recorded_ones() {
    let mut compared = 0;
    for case in cases() {
        let suite = suite(&case);
        assert_eq!(suite.rows().len(), case.responses.len());
        let rows: Vec<&SuiteRow> = suite.rows().iter().step_by(5).collect();
        assert_eq!(rows.len(), case.prompts.len());
        for (row, expected) in rows.into_iter().zip(&case.prompts) {
            assert_eq!(texts(row), *expected, "{} by {}", row.name, case.protocol);
            compared += 1;
        }
    }
    // Two suites of 60 rows and three of 30 by both protocols, and TyDiQA's 30 by one.
    assert_eq!(compared, 2 * (2 * 12 + 3 * 6) + 6);
}

#[test]
fn scores_are_the_recorded_ones() {
    for case in cases() {
        let suite = suite(&case);
        let responses = case.responses.iter().map(|answer| match answer {
            Answer::Text(output) => text(output),
            Answer::LogProbabilities(of) => {
                choices(&of.iter().map(|of| (*of, 3)).collect::<Vec<_>>())
            }
        });
        let score = suite.score(&responses.collect::<Vec<_>>()).unwrap();
        for (name, expected) in &case.measures {
            let what = format!("{name} of {} by {}", case.suite, case.protocol);
            let mut measures = score.measures.iter();
            let measure = measures.find(|measure| measure.name == *name).unwrap();
            assert_eq!(measure.values.len(), expected.values.len());
            for (row, (found, expected)) in measure.values.iter().zip(&expected.values).enumerate()
            {
                assert_near(*found, *expected, &format!("{what}, row {row}"));
            }
            assert_near(measure.mean, expected.mean, &what);
            if let Some(expected) = expected.standard_error {
                assert_near(measure.standard_error.unwrap(), expected, &what);
            }
            let right = expected.values.iter().filter(|value| **value > 0.0).count();
            assert!(
                0 < right && right < expected.values.len(),
                "{what} distinguishes nothing"
            );
        }
    }
}
