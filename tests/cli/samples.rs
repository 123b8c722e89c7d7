//! What stands for the base model's knowledge, and whether it is enough.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{fail, figure, scratch, succeed};

const SMALL: [&str; 13] = [
    "trace",
    "--out",
    "run",
    "--method",
    "osft",
    "--order",
    "stance",
    "--limit-train",
    "24",
    "--limit-test",
    "6",
    "--epochs",
    "1",
];

/// Runs with these settings, and returns the report.
fn run(folder: &Path, settings: &[&str]) -> String {
    let _ = fs::remove_dir_all(folder.join("run"));
    let mut arguments = SMALL.to_vec();
    for setting in settings {
        arguments.extend(["--set", setting]);
    }
    succeed(folder, &arguments);
    fs::read_to_string(folder.join("run/report.md")).unwrap()
}

/// Rows and tokens of a source in a report.
fn measured_on(page: &str, source: &str) -> (usize, usize) {
    let (_, table) = page.split_once("## Samples").unwrap();
    let mut lines = table.lines();
    let line = lines.find(|line| line.trim_start().starts_with(source));
    let line = line.unwrap_or_else(|| panic!("no {source} in\n{table}"));
    let numbers = line.trim_start().strip_prefix(source).unwrap();
    let mut numbers = numbers.split_whitespace().map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// The result of the only run in a folder.
fn only_result(run: &Path) -> Value {
    let files = fs::read_dir(run)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_result = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("result-") && name.ends_with(".json")
    };
    let results: Vec<PathBuf> = files.filter(is_result).collect();
    assert_eq!(results.len(), 1, "{results:?}");
    serde_json::from_str(&fs::read_to_string(&results[0]).unwrap()).unwrap()
}

#[test]
fn the_base_model_is_measured_on_as_many_tokens_as_were_asked_for_of_every_kind() {
    let folder = scratch();
    let text =
        "A red fox runs over the hill.\nIt was a cold day in the north.\nShe sold nine apples.\n";
    fs::write(folder.path().join("notes.txt"), text.repeat(40)).unwrap();
    let question = r#"{"prompt": "What is a fox? ", "answer": "An animal.", "source": "zoo"}"#;
    fs::write(
        folder.path().join("asked.jsonl"),
        format!("{question}\n\n").repeat(60),
    )
    .unwrap();
    let total = "calibration.base_total_tokens=256";
    for (source, settings) in [
        ("generated", &[total][..]),
        ("continued prompts", &[total, "calibration.base=continued"]),
        (
            "continued notes.txt",
            &[
                total,
                "calibration.base=continued",
                "calibration.text=notes.txt",
                "calibration.prefix_tokens=3",
            ],
        ),
        ("notes.txt", &[total, "calibration.text=notes.txt"]),
        (
            "asked.jsonl",
            &[
                total,
                "calibration.base=questions",
                "calibration.questions=asked.jsonl",
            ],
        ),
    ] {
        let page = run(folder.path(), settings);
        let (rows, tokens) = measured_on(&page, source);
        // At most one row more than needed.
        assert!(
            rows > 2 && (256..256 + 64).contains(&tokens),
            "{source}: {rows} {tokens}"
        );
        assert_eq!(measured_on(&page, "stance").0, 24, "{source}");
        let found = only_result(&folder.path().join("run"));
        for name in ["held out", "held out, worst"] {
            let value = figure(&found, name);
            assert!((0.0..=100.0).contains(&value), "{source}: {name} {value}");
        }
        assert!(page.contains("held out"), "{page}");
    }
    // A file has no more tokens than it has.
    let page = run(
        folder.path(),
        &[
            "calibration.base_total_tokens=1000000",
            "calibration.text=notes.txt",
        ],
    );
    assert_eq!(measured_on(&page, "notes.txt").0, 120);
    let manifest = fs::read_to_string(folder.path().join("run/run.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let remarks = manifest["model"].to_string();
    assert!(remarks.contains("base_total_tokens = 1000000"), "{remarks}");
}

#[test]
fn moments_are_set_by_flags_and_named_in_tables() {
    let folder = scratch();
    let rows = ["--set", "calibration.base_rows=8"];
    let flags = [
        "--osft-skip-first",
        "1",
        "--osft-tokens",
        "mean",
        "--osft-shrinkage",
        "ledoit-wolf",
    ];
    let shown = succeed(folder.path(), &[&SMALL[..], &rows, &flags].concat());
    let label = "osft inputs core skip-first 1 tokens mean shrinkage ledoit_wolf energy";
    assert!(shown.contains(label), "{shown}");
    let inspected = succeed(
        folder.path(),
        &[&["inspect", "--rows", "20", "--tokens", "8"], &flags[..]].concat(),
    );
    for words in [
        label,
        "in sample",
        "held out",
        "worst: layers.",
        "directions kept",
    ] {
        assert!(inspected.contains(words), "no {words} in\n{inspected}");
    }
    for (flag, value) in [
        ("--osft-skip-first", "-1"),
        ("--osft-tokens", "long"),
        ("--osft-shrinkage", "much"),
        ("--osft-shrinkage", "1.5"),
    ] {
        let error = fail(
            folder.path(),
            &["validate", "--method", "osft", flag, value],
        );
        assert!(error.contains(value), "{flag} {value}: {error}");
    }
}

#[test]
fn files_that_stand_for_the_base_model_are_checked_before_anything_is_written() {
    let folder = scratch();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write(
        "no-answer.jsonl",
        "{\"prompt\": \"a\", \"answer\": \"b\"}\n{\"prompt\": \"a\"}\n",
    );
    write("empty.jsonl", "\n");
    let questions = "calibration.base=questions";
    for (settings, words) in [
        (
            &[questions, "calibration.questions=no-answer.jsonl"][..],
            &["line 2", "no-answer.jsonl", "answer"][..],
        ),
        (
            &[questions, "calibration.questions=empty.jsonl"],
            &["empty.jsonl", "no question"],
        ),
        (
            &[questions, "calibration.questions=nowhere.jsonl"],
            &["nowhere.jsonl"],
        ),
        (
            &["calibration.base=continued", "calibration.text=empty.jsonl"],
            &["empty.jsonl", "no line"],
        ),
        (&[questions], &["calibration.questions"]),
    ] {
        for command in ["trace", "validate"] {
            let mut arguments = vec![command, "--method", "osft"];
            for setting in settings {
                arguments.extend(["--set", setting]);
            }
            if command == "trace" {
                arguments.extend(["--out", "run"]);
            }
            let error = fail(folder.path(), &arguments);
            for word in words {
                assert!(error.contains(word), "{settings:?}: no {word} in {error}");
            }
            assert!(!folder.path().join("run").exists(), "{settings:?}");
        }
    }
}
