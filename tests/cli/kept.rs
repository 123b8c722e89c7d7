//! What searches keep: after Ctrl-C, and after somebody edited it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::sweep::{SMALL, runs, sweep};
use crate::{fail, program, scratch, succeed};

#[cfg(unix)]
#[test]
fn a_search_that_is_stopped_says_what_has_ended_and_goes_on() {
    let folder = scratch();
    let out = folder.path().join("sweep");
    let first = ["--method", "seqft", "--set", "tune_grid=[1e-3]"];
    sweep(folder.path(), &first);
    // With so many epochs, no run ends by itself before it is stopped.
    let long = [
        &["sweep", "--out", "sweep"],
        &SMALL[..],
        &["--method", "seqft", "--set", "tune_grid=[1e-3, 3e-3]"],
    ]
    .concat();
    let mut slow = long.clone();
    let epochs = slow.iter().position(|word| *word == "--epochs").unwrap() + 1;
    slow[epochs] = "10000";
    let mut child = Command::new(program())
        .args(&slow)
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut lines = output.lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("0 ended, 2 to do")));
    // Its first step comes after the handler of signals.
    std::thread::sleep(Duration::from_secs(5));
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{error}");
    let last = error.trim_end().lines().last().unwrap();
    for words in [
        "0 of 2 runs have ended and are kept in sweep",
        "by the same command: experiments sweep --out sweep",
        "interrupted",
    ] {
        assert!(last.contains(words), "no {words:?} in {error}");
    }
    // What had ended before is there, and nothing that is half done.
    assert_eq!(runs(&out).len(), 1);
    assert!(succeed(folder.path(), &long).contains("2 runs: 1 ended, 1 to do"));
}

#[test]
fn a_result_that_was_edited_is_not_believed() {
    let folder = scratch();
    let search = ["--method", "seqft", "--set", "tune_grid=[1e-3, 3e-3]"];
    sweep(folder.path(), &search);
    let out = folder.path().join("sweep");
    let name = runs(&out).remove(0);
    let whole = fs::read_to_string(out.join(&name)).unwrap();
    let arguments = [&["sweep", "--out", "sweep"], &SMALL[..], &search].concat();
    let edits: [(&str, Value, &str); 3] = [
        (
            "/training_seconds",
            Value::from(-1.0),
            "training_seconds is -1",
        ),
        ("/row_scores/0/0", Value::from(400.0), "from 0 to 100"),
        // The run of another seed.
        ("/seed", Value::from(7), "is of another run"),
    ];
    for (place, value, words) in edits {
        let mut result: Value = serde_json::from_str(&whole).unwrap();
        *result.pointer_mut(place).unwrap() = value;
        fs::write(out.join(&name), result.to_string()).unwrap();
        let error = fail(folder.path(), &arguments);
        let stem = name.trim_start_matches("result-").trim_end_matches(".json");
        assert!(
            error.contains(words) && error.contains(stem),
            "{place}: {error}"
        );
    }
}
