//! Runs that are stopped go on, and what is incomplete is never in the place of a model.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::{jsonl, largest_difference, model, osft, rows, run, said, succeed, text};

fn arguments<'a>(model: &'a str, data: &'a str, out: &'a str) -> Vec<&'a str> {
    vec![
        "finetune",
        "--model",
        model,
        "--data",
        data,
        "--out",
        out,
        "--valid",
        "none",
        "--epochs",
        "3",
        "--effective-batch",
        "8",
        "--save-every",
        "1",
        "--max-length",
        "96",
        "--set",
        "calibration.base_rows=16",
        "--set",
        "calibration.base_tokens=16",
    ]
}

/// The number of steps that a run has logged.
fn steps(running: &Path) -> usize {
    let log = std::fs::read_to_string(running.join("metrics.jsonl")).unwrap_or_default();
    log.lines().filter(|line| line.contains("\"loss\"")).count()
}

#[test]
fn a_killed_run_goes_on_to_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let data = jsonl(folder, "rows.jsonl", &rows("choice", "train", 48));
    let model = text(&model());
    let whole = folder.join("whole");
    succeed(&arguments(&model, &data, &text(&whole)));

    let (out, running) = (folder.join("killed"), folder.join("killed.running"));
    let to = text(&out);
    let mut killed = osft();
    killed.args(arguments(&model, &data, &to));
    killed.stdout(Stdio::null()).stderr(Stdio::null());
    let mut killed = killed.spawn().unwrap();
    let started = Instant::now();
    while steps(&running) < 3 && started.elapsed() < Duration::from_secs(120) {
        assert!(killed.try_wait().unwrap().is_none(), "it was over too soon");
        std::thread::sleep(Duration::from_millis(5));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(!out.exists() && running.is_dir());

    // Not without a word, and not over it.
    let output = run(&arguments(&model, &data, &to));
    assert!(!output.status.success());
    assert!(said(&output).contains("add --resume"), "{}", said(&output));
    // With other settings, it would be another run.
    let mut other = arguments(&model, &data, &to);
    other.extend(["--resume", "--lr", "0.5"]);
    let output = run(&other);
    assert!(
        said(&output).contains("learning_rates.osft"),
        "{}",
        said(&output)
    );

    let mut resumed = arguments(&model, &data, &to);
    resumed.push("--resume");
    succeed(&resumed);
    assert!(out.is_dir() && !running.exists());
    assert_eq!(largest_difference(&whole, &out), 0.0);
}

#[test]
fn nothing_to_resume_and_nothing_to_overwrite() {
    let folder = tempfile::tempdir().unwrap();
    let data = jsonl(folder.path(), "rows.jsonl", &rows("tone", "train", 8));
    let (model, out) = (text(&model()), text(&folder.path().join("out")));
    let mut resumed = arguments(&model, &data, &out);
    resumed.push("--resume");
    let output = run(&resumed);
    assert!(
        said(&output).contains("there is nothing to resume"),
        "{}",
        said(&output)
    );
    std::fs::create_dir(&out).unwrap();
    let output = run(&arguments(&model, &data, &out));
    assert!(
        said(&output).contains("exists already"),
        "{}",
        said(&output)
    );
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0);
}

#[test]
fn what_protects_the_earlier_tasks_must_be_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let data = jsonl(folder, "rows.jsonl", &rows("tone", "train", 16));
    let taught = folder.join("taught");
    succeed(&arguments(&text(&model()), &data, &text(&taught)));
    let method = taught.join("osft/method");
    let (base, tasks) = (
        method.join("base-calibration.safetensors"),
        method.join("calibration-1.safetensors"),
    );
    let whole = std::fs::read(&tasks).unwrap();
    let other = std::fs::read(&base).unwrap();
    let out = text(&folder.join("out"));
    let taught = text(&taught);
    for damaged in [Some(other), Some(whole[..5000].to_vec()), None] {
        match damaged {
            Some(bytes) => std::fs::write(&tasks, bytes).unwrap(),
            None => std::fs::remove_file(&tasks).unwrap(),
        }
        let output = run(&arguments(&taught, &data, &out));
        let said = said(&output);
        assert!(said.contains("calibration-1.safetensors"), "{said}");
        assert!(
            said.contains("Restore it") && said.lines().count() == 1,
            "{said}"
        );
        assert!(!folder.join("out.running").exists());
    }
}

#[test]
#[cfg(unix)]
fn a_merge_that_is_stopped_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let adapter = crate::adapter::learned(folder.path(), "adapter");
    let into = folder.path().join("into");
    std::fs::create_dir(&into).unwrap();
    let entries = || std::fs::read_dir(&into).unwrap().count();
    let mut merge = osft();
    merge.args(["merge", "--adapter", &adapter, "--out"]);
    let merge = merge.arg(into.join("merged"));
    let mut merge = merge.stdout(Stdio::null()).spawn().unwrap();
    while entries() == 0 {
        assert!(merge.try_wait().unwrap().is_none(), "it wrote nothing");
    }
    let id = merge.id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-INT", &id])
        .status();
    assert!(sent.unwrap().success());
    let ended = merge.wait().unwrap();
    // It may have been faster than the signal.
    let expected = usize::from(ended.success());
    assert_eq!(
        (entries(), into.join("merged").is_dir()),
        (expected, ended.success())
    );
}
