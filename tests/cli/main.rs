//! The program as a user meets it.
//!
//! - `runs`: whole runs of the built-in suite at the smallest scale.
//! - `mistakes`, `bad_data`, `bad_models`: bad input, each one clear line.
//! - `resume`, `disk`: runs that are killed or stopped, or find no room, and go on.
//! - `side_by_side`: runs at the same time.
//! - `line`: models between the base model and a trained one, and merged ones.
//! - `tui`: a run drawn on a terminal.
//! - `t5`, `pretrain`: the other family and benchmark, and base models.
//! - `bench`, `bench_parts`: what a step costs, and what it is made of.
//! - `sweep`, `compare`: searches of hyperparameters, and all methods side by side.
//! - `labels`: labels scored by their likelihood, beside generated answers or instead of them.
//! - `samples`: what stands for the base model's knowledge.
//! - `kept`: what a search keeps when it is stopped or edited.
//! - `closed`: output that nobody reads.
//! - `curvature`: the loss along the directions of single weights.
//! - `other`: the commands around a run.

#![allow(clippy::unwrap_used)]

mod assemble;
mod bad_data;
mod bad_models;
mod bench;
mod bench_parts;
mod cases;
mod closed;
mod compare;
mod curvature;
mod disk;
mod identity;
mod inspect;
mod kept;
mod labels;
mod line;
mod mistakes;
mod named;
mod other;
mod pretrain;
mod resume;
mod runs;
mod samples;
mod side_by_side;
mod suites;
mod sweep;
mod t5;
mod tui;
mod variants;

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_experiments"))
}

/// The program, run from a folder of its own so that nothing is found by chance.
fn experiments(folder: &Path) -> Command {
    let mut command = Command::new(program());
    command.current_dir(folder);
    // What it keeps for the next time is of this test too.
    command.env("XDG_CACHE_HOME", folder.join("cache"));
    command
}

/// A folder of this test's own.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Writes a plan of a study over two small tasks: which rows are scored, and its variants.
fn write_plan(folder: &Path, rows: &str, variants: &str) {
    let plan = format!(
        r#"
        title = "A small study"
        rows = "{rows}"
        seeds = [0]
        learning_rates = [1e-3]
        [run]
        order = "stance,sums"
        limit_train = 16
        limit_test = 4
        epochs = 1
        scoring = "final"
        calibration = {{ base_rows = 8 }}
        {variants}
        "#
    );
    std::fs::write(folder.join("plan.toml"), plan).unwrap();
}

/// The one entry of a folder that is called `pattern`, where `*` stands for the eight digits of a
/// run's key.
fn only(folder: &Path, pattern: &str) -> PathBuf {
    let (before, after) = pattern.split_once('*').unwrap();
    let is_key = |key: &str| key.len() == 8 && key.chars().all(|c| c.is_ascii_hexdigit());
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let found: Vec<String> = names
        .filter(|name| {
            let key = name
                .strip_prefix(before)
                .and_then(|n| n.strip_suffix(after));
            key.is_some_and(is_key)
        })
        .collect();
    assert_eq!(
        found.len(),
        1,
        "{pattern} in {}: {found:?}",
        folder.display()
    );
    folder.join(&found[0])
}

/// A figure of a result, by the name of its column.
fn figure(result: &Value, name: &str) -> f64 {
    let figures = result["figures"].as_array().unwrap();
    let figure = figures.iter().find(|figure| figure["name"] == name);
    figure.unwrap()["value"].as_f64().unwrap()
}

/// Runs, demands success, returns what was printed.
fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let output = experiments(folder).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?} failed: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs, demands failure with one line of error, returns that line.
fn fail(folder: &Path, arguments: &[&str]) -> String {
    let output = experiments(folder).args(arguments).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{arguments:?} should fail");
    assert!(
        !errors.contains("panicked"),
        "{arguments:?} panicked: {errors}"
    );
    errors
}

/// Runs `trace`, demands one line of error that holds `words`, and that nothing was written.
fn fail_before_writing(folder: &Path, arguments: &[&str], words: &[&str], case: &str) {
    let error = fail(folder, &[&["trace", "--out", "run"], arguments].concat());
    assert_eq!(error.trim_end().lines().count(), 1, "{case}: {error}");
    for word in words {
        assert!(
            error.contains(word),
            "{case} does not say {word:?}: {error}"
        );
    }
    assert!(!folder.join("run").exists(), "{case} left a folder");
}
