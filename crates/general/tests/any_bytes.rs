//! Whatever the files and the outputs hold, a suite is opened and scored, or refused: never a panic.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{folder, likelihood};
use general::{
    GeneralError, Manifest, OwnSettings, Protocol, Request, Response, Suite, Suites, open_own,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const FRAME: &str = r#"{"instruction": "i", "passage": "p:", "question": "q:", "answer": "a:"}"#;
const TURN: &str = r#"{"user": "u", "assistant": "a"}"#;
const MMLU: &str =
    r#"{"subject": "s", "question": "q", "choices": ["1", "2", "3", "4"], "answer": "A"}"#;
const GSM8K: &str = r#"{"question": "q", "answer": "a\n#### 1,000"}"#;

/// Whole files of every kind.
fn files() -> Vec<(&'static str, String)> {
    let example = "canary\n-----\nDo.\n\nQ: q\nA: Let's think step by step. So.";
    let sha256 = "0".repeat(64);
    vec![
        ("mmlu.jsonl", [MMLU, MMLU].join("\n")),
        ("mmlu_fewshot.jsonl", [MMLU; 5].join("\n")),
        ("gsm8k.jsonl", [GSM8K, GSM8K].join("\n")),
        ("gsm8k_fewshot.jsonl", [GSM8K; 6].join("\n")),
        (
            "prompts/gsm8k_trace.json",
            format!("[{}]", [TURN; 4].join(", ")),
        ),
        (
            "bbh.jsonl",
            r#"{"task": "snarks", "input": "i", "target": "(A)"}"#.to_string(),
        ),
        ("prompts/bbh/snarks.txt", example.to_string()),
        (
            "tydiqa.jsonl",
            r#"{"language": "thai", "question": "ใคร", "context": "c", "answers": ["a", "นี้"]}"#
                .to_string(),
        ),
        (
            "prompts/tydiqa_trace.json",
            format!("{{\"thai\": {FRAME}}}"),
        ),
        (
            "boolq.jsonl",
            r#"{"question": "q", "passage": "p", "answer": false}"#.to_string(),
        ),
        (
            "piqa.jsonl",
            r#"{"goal": "g", "sol1": "é", "sol2": "s", "label": 1}"#.to_string(),
        ),
        ("wiki.txt", "One text.\n\nAnother.".to_string()),
        ("own.jsonl", r#"{"prompt": "p", "answer": "a"}"#.to_string()),
        (
            "choices.jsonl",
            r#"{"prompt": "p", "choices": [" a", " b"], "answer": 1}"#.to_string(),
        ),
        (
            "manifest.toml",
            format!(
                "[[file]]\npath = \"a\"\nurl = \"u\"\nbytes = 1\nsha256 = \"{sha256}\"\nlicence = \"l\"\n"
            ),
        ),
    ]
}

/// Pieces that answers are read from.
const PIECES: [&str; 24] = [
    "answer is ",
    "the answer is ",
    "#### ",
    "1,234",
    "-5",
    "3.50",
    "²",
    "(A)",
    "(",
    "B",
    "é",
    "ß",
    "\n",
    "\n\n",
    " ",
    ".",
    "Question:",
    "Q",
    "$",
    "İ",
    "\u{1c}",
    "a",
    "the",
    "99999999999999999999",
];

fn output(random: &mut ChaCha8Rng) -> String {
    let count = random.random_range(0..12);
    (0..count)
        .map(|_| PIECES[random.random_range(0..PIECES.len())])
        .collect()
}

fn response(request: &Request, random: &mut ChaCha8Rng) -> Response {
    let of = |random: &mut ChaCha8Rng| {
        likelihood((-random.random_range(0.0..1e3), random.random_range(1..9)))
    };
    match request {
        Request::Generate { .. } => Response::Text(output(random)),
        Request::Choose { choices, .. } => {
            Response::Choices(choices.iter().map(|_| of(random)).collect())
        }
        Request::Loss { .. } => Response::Loss(of(random)),
    }
}

/// Replaces, inserts, removes or repeats bytes of a file.
fn damage(bytes: &mut Vec<u8>, random: &mut ChaCha8Rng) {
    for _ in 0..random.random_range(1..4) {
        if bytes.is_empty() {
            return;
        }
        let place = random.random_range(0..bytes.len());
        match random.random_range(0..5) {
            0 => bytes[place] = random.random(),
            1 => bytes.insert(place, random.random()),
            2 => _ = bytes.remove(place),
            3 => bytes.truncate(place),
            // A quotation mark, a bracket or a digit changes the form of JSON.
            _ => bytes[place] = b"\"{}[],:0-\n"[random.random_range(0..10)],
        }
    }
}

/// Opens everything there is; returns how much was opened, and how much refused.
fn open_all(path: &Path, random: &mut ChaCha8Rng) -> (usize, usize) {
    let mut opened: Vec<Result<Suite, GeneralError>> = Vec::new();
    let suites = Suites::builtin();
    for protocol in Protocol::ALL {
        for kind in suites.of(protocol) {
            opened.push(kind.open(path, protocol));
        }
    }
    for name in ["own.jsonl", "choices.jsonl"] {
        opened.push(open_own(&path.join(name), &OwnSettings::default()));
    }
    let mut counts = (0, 0);
    for suite in opened {
        match suite {
            Ok(suite) => {
                counts.0 += 1;
                let rows = suite.rows().iter();
                let responses: Vec<_> = rows.map(|row| response(&row.request, random)).collect();
                for measure in suite.score(&responses).unwrap().measures {
                    assert!(measure.mean.is_finite());
                    let bound = if measure.name == "loss" {
                        f64::MAX
                    } else {
                        100.0
                    };
                    assert!(
                        measure
                            .values
                            .iter()
                            .all(|value| (0.0..=bound).contains(value))
                    );
                }
            }
            Err(error) => {
                counts.1 += 1;
                assert!(
                    error.to_string().contains(&path.display().to_string()),
                    "{error}"
                );
            }
        }
    }
    if let Ok(manifest) = Manifest::read(&path.join("manifest.toml")) {
        for file in &manifest.files {
            assert!(!file.path.starts_with('/') && !file.path.contains(".."));
        }
    }
    counts
}

/// One damaged file in a folder of whole ones.
fn round(seed: u64, path: &Path) -> (usize, usize) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let files = files();
    let (name, content) = &files[random.random_range(0..files.len())];
    let mut bytes = content.clone().into_bytes();
    damage(&mut bytes, &mut random);
    fs::write(path.join(name), &bytes).unwrap();
    let counts = open_all(path, &mut random);
    fs::write(path.join(name), content).unwrap();
    counts
}

#[test]
fn whole_files_are_opened() {
    let folder = folder(&files());
    let mut random = ChaCha8Rng::seed_from_u64(0);
    assert_eq!(open_all(folder.path(), &mut random), (15, 0));
}

#[test]
fn damaged_files_are_refused_or_scored() {
    let folder = folder(&files());
    let mut refused = 0;
    for seed in 0..1500 {
        refused += round(seed, folder.path()).1;
    }
    // Damage within a text is none to its form; most other damage is refused.
    assert!(refused > 500, "only {refused} were refused");
}

#[test]
#[ignore = "takes ten minutes"]
fn damaged_files_are_refused_or_scored_for_ten_minutes() {
    let folder = folder(&files());
    let start = Instant::now();
    for seed in 1500.. {
        round(seed, folder.path());
        if start.elapsed() > Duration::from_secs(600) {
            println!("{} damaged folders", seed - 1500);
            return;
        }
    }
}
