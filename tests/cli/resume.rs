//! Runs that are killed, stopped or run out of room, and go on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{fail, only, program, scratch, succeed};

/// A run that saves every other step; its fifth word is the method.
pub const SMALL: [&str; 20] = [
    "trace",
    "--out",
    "run",
    "--method",
    "seqft",
    "--order",
    "stance,sums",
    "--limit-train",
    "24",
    "--limit-test",
    "6",
    "--epochs",
    "2",
    "--set",
    "train.global_batch=8",
    "--set",
    "checkpoints.every_steps=2",
    "--keep-best",
    "--set",
    "calibration.base_rows=8",
];

pub fn start(folder: &Path, arguments: &[&str]) -> Child {
    let mut command = Command::new(program());
    command
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Everything in a run's folder that tells what it found: tables, matrices, and the log but for its
/// times.
pub fn findings(run: &Path) -> Vec<(String, String)> {
    let mut files: Vec<PathBuf> = fs::read_dir(run)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    let mut found = Vec::new();
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // TensorBoard's events, one file per process.
        if path.is_dir() && name == "tensorboard" {
            continue;
        }
        let text = match name.as_str() {
            // Command, revision and the number of processes.
            "run.json" | "report.md" | "report.html" => continue,
            _ => match fs::read_to_string(&path) {
                Ok(text) => without_seconds(&text),
                Err(_) => fs::read(&path).unwrap().len().to_string(),
            },
        };
        found.push((name, text));
    }
    found
}

/// A text without the lines or fields that hold a time.
pub fn without_seconds(text: &str) -> String {
    let fields = text.split_inclusive([',', '\n', '{', '}']);
    fields
        .filter(|field| !field.contains("seconds\""))
        .collect()
}

/// What is shown at the end, without the last column, which is a time.
pub fn without_times(shown: &str) -> String {
    let lines = shown.lines().map(|line| match line.rsplit_once('┆') {
        Some((rest, last)) if is_time(last.trim_end_matches('│')) => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Seconds of training, split and calibration.
fn is_time(cell: &str) -> bool {
    let parts: Vec<&str> = cell.split('+').collect();
    parts.len() == 3 && parts.iter().all(|part| part.trim().parse::<f64>().is_ok())
}

pub fn resume_until_finished(folder: &Path) -> String {
    let shown = succeed(folder, &["trace", "--resume", "run"]);
    assert!(shown.contains("report.md"), "{shown}");
    assert!(!folder.join("run/checkpoints").exists());
    shown
}

#[test]
fn a_run_that_is_killed_anywhere_ends_with_the_same_table() {
    // Drawn once and for all, in percent of the time that a run takes.
    let moments: [&[u32]; 5] = [
        &[3, 31, 58, 86],
        &[12, 37, 63, 94],
        &[8, 22, 49, 71],
        &[17, 41, 66, 97],
        &[26, 45, 78, 90],
    ];
    let methods = ["seqft", "o-lora", "per-task", "multi-task", "osft"];
    for (method, moments) in methods.into_iter().zip(moments) {
        let mut arguments = SMALL.to_vec();
        arguments[4] = method;
        let whole = scratch();
        let begun = Instant::now();
        let shown = succeed(whole.path(), &arguments);
        let duration = begun.elapsed();
        let expected = findings(&whole.path().join("run"));
        let table = |text: &str| without_seconds(&without_times(text));
        let mut in_the_middle = 0;
        for &percent in moments {
            let killed = scratch();
            let mut child = start(killed.path(), &arguments);
            std::thread::sleep(duration * percent / 100);
            // SIGKILL: nothing can be saved now.
            let _ = child.kill();
            child.wait().unwrap();
            in_the_middle += usize::from(killed.path().join("run/checkpoints").is_dir());
            let again = match killed.path().join("run/run.json").is_file() {
                true => resume_until_finished(killed.path()),
                // It was still loading: there is nothing to go on with.
                false => {
                    let _ = fs::remove_dir_all(killed.path().join("run"));
                    succeed(killed.path(), &arguments)
                }
            };
            let found = findings(&killed.path().join("run"));
            let when = format!("{method} killed at {percent} %");
            let names = |files: &[(String, String)]| -> Vec<String> {
                files.iter().map(|(name, _)| name.clone()).collect()
            };
            assert_eq!(names(&found), names(&expected), "{when}");
            for ((name, found), (_, expected)) in found.iter().zip(&expected) {
                assert_eq!(found, expected, "{name}, {when}");
            }
            assert_eq!(table(&again), table(&shown), "{when}");
        }
        // However busy the machine is, not all of them come before or after all that is saved.
        assert!(in_the_middle > 0, "{method} was never killed in the middle");
        // A finished run is shown again, and nothing of it changes.
        resume_until_finished(whole.path());
        assert_eq!(findings(&whole.path().join("run")), expected);
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_says_how_to_go_on() {
    let folder = scratch();
    let mut command = Command::new(program());
    let child = command
        .args([
            "trace",
            "--out",
            "run",
            "--method",
            "seqft",
            "--order",
            "stance,sums",
        ])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = folder.path().join("run/metrics.jsonl");
    let begun = Instant::now();
    while !fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "the run did not begin"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{text}");
    assert!(text.contains("--resume run"), "{text}");
    assert!(only(&folder.path().join("run/checkpoints"), "seqft-*-seed0").is_dir());
}

#[test]
fn a_run_is_only_gone_on_with_as_it_was() {
    let folder = scratch();
    let arguments = [
        "trace",
        "--out",
        "run",
        "--method",
        "seqft",
        "--order",
        "stance",
        "--limit-train",
        "8",
        "--limit-test",
        "2",
        "--epochs",
        "1",
    ];
    succeed(folder.path(), &arguments);
    let run = folder.path().join("run");
    let result = only(&run, "result-seqft-*-seed0.json");
    fs::remove_file(&result).unwrap();
    let result_name = result.file_name().unwrap().to_str().unwrap();
    let cases: [(&[&str], &[&str]); 7] = [
        (
            &["--lr", "0.5"],
            &["learning_rates.seqft", "0.0003 there", "0.5 here"],
        ),
        (&["--order", "sums"], &["order", "stance", "sums"]),
        (&["--out", "other"], &["--out"]),
        (&["--tune"], &["--tune"]),
        (&["--share", "0.3"], &["--share is a setting of osft"]),
        (&["--seeds", "4"], &["seeds"]),
        (
            &["--set", "train.global_batch=3"],
            &["train.global_batch", "16 there, 3 here"],
        ),
    ];
    for (more, words) in cases {
        let text = fail(
            folder.path(),
            &[&["trace", "--resume", "run"], more].concat(),
        );
        for word in words {
            assert!(text.contains(word), "{more:?}: no {word:?} in {text}");
        }
    }
    for (name, word) in [
        ("nowhere", "not the folder of a run"),
        (".", "not the folder of a run"),
    ] {
        let text = fail(folder.path(), &["trace", "--resume", name]);
        assert!(text.contains(word), "{text}");
    }
    // What was written is not taken for granted.
    for (file, text, words) in [
        ("config.toml", "seeds = [", ["config.toml", "line 1"]),
        ("run.json", "{", ["run.json", "column"]),
        (result_name, "{", [result_name, "column"]),
    ] {
        let path = folder.path().join("run").join(file);
        let whole = fs::read(&path).ok();
        fs::write(&path, text).unwrap();
        let error = fail(folder.path(), &["trace", "--resume", "run"]);
        for word in words {
            assert!(error.contains(word), "{file}: {error}");
        }
        match whole {
            Some(whole) => fs::write(&path, whole).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
    }
    // The same settings may be typed again.
    succeed(
        folder.path(),
        &[
            "trace", "--resume", "run", "--order", "stance", "--epochs", "1",
        ],
    );
    assert!(result.is_file());
}

#[test]
fn changed_rows_are_noticed_before_the_run_goes_on() {
    let folder = scratch();
    succeed(
        folder.path(),
        &["datasets", "generate", "--out", "suite", "--seed", "3"],
    );
    let arguments = [
        "trace",
        "--out",
        "run",
        "--data",
        "suite",
        "--method",
        "seqft",
        "--order",
        "stance,sums",
        "--limit-train",
        "64",
        "--limit-test",
        "2",
        "--max-length",
        "128",
        "--set",
        "checkpoints.every_steps=1",
    ];
    let mut child = start(folder.path(), &arguments);
    let saved = folder.path().join("run/checkpoints");
    let begun = Instant::now();
    while !saved.is_dir()
        || fs::metadata(folder.path().join("run/metrics.jsonl"))
            .unwrap()
            .len()
            == 0
    {
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "the run did not begin"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    child.wait().unwrap();
    let rows = folder.path().join("suite/stance/test.json");
    let text = fs::read_to_string(&rows).unwrap();
    fs::write(
        &rows,
        text.replacen("\"prompt\": \"", "\"prompt\": \"Now ", 1),
    )
    .unwrap();
    let text = fail(folder.path(), &["trace", "--resume", "run"]);
    assert!(
        text.contains("run cannot be continued") && text.contains("the rows (was "),
        "{text}"
    );
}
