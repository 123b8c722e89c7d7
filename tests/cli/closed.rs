//! Output that nobody reads, or that cannot be written: no panic, and no run that is lost.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::{program, scratch, succeed};

const RUN: [&str; 11] = [
    "trace",
    "--method",
    "seqft",
    "--order",
    "stance,sums",
    "--limit-train",
    "8",
    "--limit-test",
    "2",
    "--epochs",
    "1",
];

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments).current_dir(folder);
    command
}

/// A pipe whose reader is gone.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn unread(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = command(folder, arguments);
    let child = command.stdout(closed()).stderr(Stdio::piped()).spawn();
    child.unwrap().wait_with_output().unwrap()
}

#[test]
fn commands_that_print_end_quietly_where_nobody_reads() {
    let folder = scratch();
    let run = [&RUN[..], &["--out", "run"]].concat();
    succeed(folder.path(), &run);
    let generate = ["datasets", "generate", "--out", "suite"];
    let cases: [&[&str]; 14] = [
        &["list"],
        &["--help"],
        &["--version"],
        &["trace", "--help"],
        &["datasets", "--help"],
        &["validate", "--print"],
        &["validate", "--limit-train", "8"],
        &["completions", "bash"],
        &["completions", "fish"],
        &generate,
        &["datasets", "check", "suite"],
        &["datasets", "verify", "suite"],
        &["report", "run"],
        &["report", "run", "--out", "joined"],
    ];
    for arguments in cases {
        let output = unread(folder.path(), arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {errors}");
        assert_eq!(errors, "", "{arguments:?}");
        // What writes a folder has done so.
        if arguments == generate {
            continue;
        }
        let _ = fs::remove_dir_all(folder.path().join("joined"));
        let read = succeed(folder.path(), arguments);
        assert!(!read.is_empty(), "{arguments:?} prints nothing");
    }
}

#[test]
fn a_run_that_nobody_watches_is_finished() {
    let folder = scratch();
    let seen = scratch();
    let tune = ["--tune", "--set", "tune_grid=[1e-3, 1e-2]"];
    for (out, more) in [("run", &[][..]), ("tuned", &tune)] {
        let arguments = [&RUN[..], more, &["--out", out]].concat();
        succeed(seen.path(), &arguments);
        // Standard error may be closed with it, as by `2>&1 | head`.
        for stderr in [Stdio::null as fn() -> Stdio, closed] {
            let mut command = command(folder.path(), &arguments);
            let status = command.stdout(closed()).stderr(stderr()).status().unwrap();
            assert_eq!(status.code(), Some(0), "{out}");
            let [found, expected] = [&folder, &seen].map(|folder| {
                let files = fs::read_dir(folder.path().join(out)).unwrap();
                let mut files: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
                files.sort();
                files
            });
            assert_eq!(found, expected);
            assert!(found.contains(&"report.md".into()), "{found:?}");
            fs::remove_dir_all(folder.path().join(out)).unwrap();
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_printed_for_another_reason_is_an_error() {
    let folder = scratch();
    // Every write to it fails as on a full disk.
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut command = command(folder.path(), &["list"]);
    let child = command.stdout(full).stderr(Stdio::piped()).spawn();
    let output = child.unwrap().wait_with_output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.starts_with("error: cannot print: "), "{errors}");
    assert!(errors.contains("No space left"), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
}
