//! Suites that are not as they should be: one clear line each, exit code above 0, nothing written.

use std::fs;
use std::path::Path;

use crate::{fail_before_writing, scratch};

const ROWS: &str = r#"[
  {"prompt": "Which? A", "answer": "yes"},
  {"prompt": "Which? B", "answer": "no"}
]"#;
const OTHER_ROWS: &str = r#"[{"prompt": "Which? C", "answer": "yes"}]"#;
const SUITE: &str = r#"{"name": "mine", "tasks": [
  {"name": "one", "score": "accuracy", "max_new_tokens": 4, "labels": ["yes", "no"]},
  {"name": "two", "score": "rouge_l", "max_new_tokens": 4}
], "orders": [["one", "two"]], "general": "general.json"}"#;

/// A good suite of two tasks.
fn suite(folder: &Path) {
    for task in ["one", "two"] {
        let task = folder.join(task);
        fs::create_dir_all(&task).unwrap();
        fs::write(task.join("train.json"), ROWS).unwrap();
        fs::write(task.join("eval.json"), OTHER_ROWS).unwrap();
        fs::write(task.join("test.json"), OTHER_ROWS.replace('C', "D")).unwrap();
    }
    fs::write(folder.join("suite.json"), SUITE).unwrap();
    fs::write(folder.join("general.json"), OTHER_ROWS).unwrap();
}

/// What a case writes, and what the error must say.
type Case<'a> = (&'a str, &'a [u8], &'a [&'a str]);

#[test]
fn broken_files_are_described() {
    let with = |from: &str, to: &str| SUITE.replace(from, to).into_bytes();
    let cases: [Case<'_>; 19] = [
        (
            "one/train.json",
            &ROWS.as_bytes()[..60],
            &["one/train.json", "line 3 column"],
        ),
        (
            "one/train.json",
            b"",
            &["one/train.json is empty", "array of rows"],
        ),
        ("one/train.json", b"[]", &["one/train.json holds no row"]),
        ("two/test.json", b"[]", &["two/test.json holds no row"]),
        (
            "one/train.json",
            b"{}",
            &["one/train.json", "array of rows", "an object"],
        ),
        (
            "one/eval.json",
            b"[3]",
            &["one/eval.json, row 0", "a number"],
        ),
        (
            "two/test.json",
            br#"[{"prompt": "p"}]"#,
            &["row 0", "\"answer\" is missing"],
        ),
        (
            "two/train.json",
            br#"[{"prompt": "p", "answer": 4}]"#,
            &["\"answer\" must be a string", "a number"],
        ),
        (
            "two/train.json",
            br#"[{"prompt": "", "answer": "a"}]"#,
            &["\"prompt\" is empty"],
        ),
        (
            "two/train.json",
            br#"[{"prompt": "p", "answer": ""}]"#,
            &["\"answer\" is empty"],
        ),
        (
            "two/train.json",
            b"[{\"prompt\": \"\xff\", \"answer\": \"a\"}]",
            &["two/train.json is not UTF-8"],
        ),
        (
            "one/test.json",
            br#"[{"prompt": "p", "answer": "maybe"}]"#,
            &["one/test.json, row 0", "unknown label \"maybe\"", "yes, no"],
        ),
        // Nothing is left to train on that is not tested on.
        (
            "two/test.json",
            ROWS.as_bytes(),
            &["two", "no training rows"],
        ),
        (
            "suite.json",
            &SUITE.as_bytes()[..70],
            &["suite.json", "column"],
        ),
        (
            "suite.json",
            &with("accuracy", "accurate"),
            &["suite.json", "accurate", "rouge_l"],
        ),
        (
            "suite.json",
            &with("\"name\": \"mine\"", "\"title\": \"mine\""),
            &["suite.json", "title"],
        ),
        (
            "suite.json",
            &with("[[\"one\"", "[[\"on\""),
            &["\"on\"", "did you mean \"one\""],
        ),
        (
            "suite.json",
            &with("general.json", "probe.json"),
            &["probe.json"],
        ),
        ("general.json", b"[{]", &["general.json", "column"]),
    ];
    for (file, bytes, words) in cases {
        let folder = scratch();
        suite(&folder.path().join("data"));
        fs::write(folder.path().join("data").join(file), bytes).unwrap();
        let case = format!("{file}: {}", String::from_utf8_lossy(bytes));
        fail_before_writing(folder.path(), &["--data", "data"], words, &case);
    }
}

#[test]
fn missing_files_are_named() {
    let cases: [(&str, &[&str]); 5] = [
        ("one/test.json", &["one/test.json is missing", "eval.json"]),
        ("two/train.json", &["two/train.json is missing"]),
        ("two", &["two/train.json is missing"]),
        ("general.json", &["general.json"]),
        // Without its description it is no suite at all.
        (
            "suite.json",
            &[
                "not a suite",
                "suite.json",
                "C-STANCE",
                "general.json, one, two",
            ],
        ),
    ];
    for (name, words) in cases {
        let folder = scratch();
        let data = folder.path().join("data");
        suite(&data);
        match data.join(name).is_dir() {
            true => fs::remove_dir_all(data.join(name)).unwrap(),
            false => fs::remove_file(data.join(name)).unwrap(),
        }
        fail_before_writing(folder.path(), &["--data", "data"], words, name);
    }
    let folder = scratch();
    fs::create_dir(folder.path().join("empty")).unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    suite(&folder.path().join("data"));
    fs::remove_file(folder.path().join("data/one/eval.json")).unwrap();
    fs::create_dir(folder.path().join("data/one/eval.json")).unwrap();
    for (data, words) in [
        ("empty", ["empty is not a suite", "found nothing"]),
        ("file", ["file", "directory"]),
        ("nowhere", ["nowhere", "No such file"]),
        ("data", ["data/one/eval.json", "directory"]),
    ] {
        fail_before_writing(folder.path(), &["--data", data], &words, data);
    }
}

#[test]
fn rows_that_are_too_few_for_what_is_asked_are_named() {
    let folder = scratch();
    suite(&folder.path().join("data"));
    // The only validation row is a test row, and two training rows are too few to give one away.
    let rows = OTHER_ROWS.replace('C', "D");
    fs::write(folder.path().join("data/one/eval.json"), rows).unwrap();
    let arguments = ["--data", "data", "--patience", "2"];
    fail_before_writing(
        folder.path(),
        &arguments,
        &["one", "no validation rows"],
        "loss",
    );
    let arguments = ["--data", "data", "--tune"];
    fail_before_writing(
        folder.path(),
        &arguments,
        &["one", "no validation rows"],
        "tuning",
    );
}
