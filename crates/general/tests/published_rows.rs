//! Slices of the published data sets, where they lie beside the reference numbers.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use common::{choices, likelihood, open, prompt, text};
use general::{Protocol, Request, Response, Suite};

/// `data/general` beside the folder `OSFT_FIXTURES` (default `../shared/fixtures` beside the
/// repository); `None`, with a line that says so, where it is missing. With
/// `OSFT_REQUIRE_FIXTURES=1` a missing one fails.
fn data() -> Option<PathBuf> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let fixtures = std::env::var_os("OSFT_FIXTURES")
        .map_or_else(|| repository.join("../shared/fixtures"), PathBuf::from);
    let path = fixtures.join("../data/general");
    if path.exists() {
        return Some(path);
    }
    let required = std::env::var("OSFT_REQUIRE_FIXTURES").is_ok_and(|value| value == "1");
    assert!(!required, "required data {} are missing", path.display());
    eprintln!("skipped: no data {}", path.display());
    None
}

/// Answers every row as its own right answer would be given.
fn right(suite: &Suite, output: impl Fn(&str, &str) -> String) -> Vec<Response> {
    let rows = suite.rows().iter().map(|row| match &row.request {
        Request::Generate { .. } => text(&output(&row.group, &row.texts()[0])),
        Request::Choose { choices: all, .. } => {
            let is_right = |index| row.expected == general::Expected::Choice(index);
            let of = (0..all.len()).map(|index| match is_right(index) {
                true => (-0.5, 1),
                false => (-500.0, 1),
            });
            choices(&of.collect::<Vec<_>>())
        }
        Request::Loss { text, .. } => {
            Response::Loss(likelihood((-(text.len() as f64), text.len())))
        }
    });
    rows.collect()
}

#[test]
fn every_suite_is_read_and_right_answers_are_right() {
    let Some(folder) = data() else { return };
    // Rows and groups of the slices.
    let sizes = [
        ("mmlu", 570, 57),
        ("gsm8k", 500, 1),
        ("bbh", 540, 27),
        ("tydiqa", 360, 9),
        ("boolq", 500, 1),
        ("piqa", 500, 1),
        ("loss", 448, 1),
    ];
    for (name, rows, groups) in sizes {
        for protocol in Protocol::ALL {
            if name == "tydiqa" && protocol == Protocol::LmEval {
                continue;
            }
            let suite = open(name, protocol, &folder);
            let found: HashSet<_> = suite.rows().iter().map(|row| &row.group).collect();
            assert_eq!((suite.rows().len(), found.len()), (rows, groups), "{name}");
            let responses = right(&suite, |_, answer| match (name, protocol) {
                ("bbh", _) => format!("So the answer is {answer}."),
                _ => answer.to_string(),
            });
            let score = suite.score(&responses).unwrap();
            let mean = score.main().unwrap().mean;
            match name {
                "loss" => assert_eq!(mean, 1.0),
                // References with a capital letter are never matched in full.
                "tydiqa" => assert!(50.0 < mean && mean < 100.0, "{mean}"),
                // The rule of 2023 drops the sign of a number.
                "gsm8k" => assert!(mean > 99.0, "{mean}"),
                _ => assert_eq!(mean, 100.0, "{name} by {protocol}"),
            }
        }
    }
}

#[test]
fn prompts_of_a_group_share_their_examples() {
    let Some(folder) = data() else { return };
    // Two kinds of tasks of BIG-Bench Hard have the same examples for all three numbers of objects.
    for (name, protocol, expected) in [
        ("mmlu", Protocol::Trace, 57),
        ("mmlu", Protocol::LmEval, 57),
        ("bbh", Protocol::Trace, 27 - 4),
        ("bbh", Protocol::LmEval, 27 - 4),
        ("gsm8k", Protocol::Trace, 1),
        ("tydiqa", Protocol::Trace, 9),
    ] {
        let suite = open(name, protocol, &folder);
        let mut blocks = HashSet::new();
        for (index, row) in suite.rows().iter().enumerate() {
            let (Request::Generate { prompt: parts, .. } | Request::Choose { prompt: parts, .. }) =
                &row.request
            else {
                panic!("{name} asks for a loss");
            };
            assert!(!parts.shared.is_empty() && !parts.own.is_empty());
            assert_eq!(
                prompt(&suite, index),
                format!("{}{}", parts.shared, parts.own)
            );
            blocks.insert(parts.shared.to_string());
        }
        assert_eq!(blocks.len(), expected, "{name} by {protocol}");
    }
}
