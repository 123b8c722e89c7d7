//! Runs at the same time: they find what they find one after the other.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::resume::{SMALL, findings, start, without_seconds, without_times};
use crate::{fail, program, scratch, succeed, write_plan};

/// Several methods and seeds; one of the methods starts every task from the base model again.
fn several(jobs: &str) -> Vec<&str> {
    let mut arguments = SMALL.to_vec();
    arguments[4] = "seqft,per-task,osft";
    arguments.extend(["--seeds", "0,1", "--jobs", jobs]);
    arguments
}

#[test]
fn runs_at_the_same_time_leave_the_same_numbers_in_the_same_order() {
    let (alone, together) = (scratch(), scratch());
    let shown_alone = succeed(alone.path(), &several("1"));
    let shown_together = succeed(together.path(), &several("3"));
    assert!(
        shown_together.contains("6 runs, 3 at the same time"),
        "{shown_together}"
    );
    let said = |line: &&str| !line.contains("at the same time") && !line.trim().is_empty();
    let table = |text: &str| -> Vec<String> {
        let text = without_seconds(&without_times(text));
        text.lines().filter(said).map(str::to_string).collect()
    };
    assert_eq!(table(&shown_alone), table(&shown_together));
    let found = |folder: &tempfile::TempDir| findings(&folder.path().join("run"));
    assert_eq!(found(&alone), found(&together));
    let log = fs::read_to_string(together.path().join("run/metrics.jsonl")).unwrap();
    assert!(log.lines().count() > 6 * 8, "{log}");

    let at_once = |folder: &tempfile::TempDir| {
        let manifest = fs::read_to_string(folder.path().join("run/run.json")).unwrap();
        serde_json::from_str::<Value>(&manifest).unwrap()["at_once"].clone()
    };
    assert_eq!((at_once(&alone), at_once(&together)), (1.into(), 3.into()));
    let report = |folder: &tempfile::TempDir| {
        fs::read_to_string(folder.path().join("run/report.md")).unwrap()
    };
    assert!(report(&together).contains("3 runs at the same time shared the cores"));
    assert!(!report(&alone).contains("shared the cores"));
}

#[test]
fn runs_that_are_killed_together_go_on_in_any_number() {
    let whole = scratch();
    let begun = Instant::now();
    succeed(whole.path(), &several("2"));
    let duration = begun.elapsed();
    let expected = findings(&whole.path().join("run"));
    let mut in_the_middle = 0;
    // Drawn once and for all, in percent of the time that all runs take.
    for (percent, jobs) in [(24, "1"), (47, "3"), (71, "2")] {
        let killed = scratch();
        let mut child = start(killed.path(), &several("2"));
        std::thread::sleep(duration * percent / 100);
        let _ = child.kill();
        child.wait().unwrap();
        let saved = killed.path().join("run/checkpoints");
        in_the_middle += usize::from(saved.is_dir());
        match killed.path().join("run/run.json").is_file() {
            true => succeed(killed.path(), &["trace", "--resume", "run", "--jobs", jobs]),
            // It was still loading: there is nothing to go on with.
            false => {
                let _ = fs::remove_dir_all(killed.path().join("run"));
                succeed(killed.path(), &several("2"))
            }
        };
        assert!(!saved.exists());
        let found = findings(&killed.path().join("run"));
        assert_eq!(found, expected, "killed at {percent} %");
    }
    assert!(in_the_middle > 0, "it was never killed in the middle");
}

#[cfg(unix)]
#[test]
fn one_request_to_stop_saves_every_run_that_goes_on() {
    let folder = scratch();
    let child = Command::new(program())
        .args(several("2"))
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = folder.path().join("run/metrics.jsonl");
    let begun = Instant::now();
    let both_began = || {
        let log = fs::read_to_string(&log).unwrap_or_default();
        log.contains("\"method\":\"seqft\"") && log.contains("\"method\":\"per-task\"")
    };
    while !both_began() {
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "it did not begin"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status();
    assert!(sent.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{text}");
    assert!(text.contains("--resume run"), "{text}");
    let saved = fs::read_dir(folder.path().join("run/checkpoints")).unwrap();
    assert_eq!(saved.count(), 2, "{text}");
}

#[test]
fn a_study_finds_the_same_at_the_same_time() {
    let folder = scratch();
    write_plan(
        folder.path(),
        "validation",
        "[[variants]]\nmethod = \"seqft\"\n[[variants]]\nmethod = \"osft\"\n",
    );
    let results = |out: &str, jobs: &str| {
        let arguments = ["study", "run", "plan.toml", "--out", out, "--jobs", jobs];
        succeed(folder.path(), &arguments);
        findings(&folder.path().join(out))
    };
    let alone = results("alone", "1");
    assert_eq!(alone.len(), 2);
    assert_eq!(alone, results("together", "4"));
}

#[test]
fn a_count_of_runs_is_a_positive_number_and_not_for_the_terminal() {
    let folder = scratch();
    let text = fail(folder.path(), &["trace", "--jobs", "0"]);
    assert!(text.contains("--jobs"), "{text}");
    let text = fail(folder.path(), &["trace", "--jobs", "2", "--tui"]);
    assert!(text.contains("--tui"), "{text}");
}
