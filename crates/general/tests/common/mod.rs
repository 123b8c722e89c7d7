//! Folders of made-up rows, and responses to them.

#![allow(clippy::unwrap_used, dead_code)] // A helper of tests fails as a test does.

use std::path::Path;

use general::{Likelihood, Protocol, Request, Response, Suite, Suites};
use serde_json::Value;
use tempfile::TempDir;

/// A folder with these files.
pub fn folder(files: &[(&str, String)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    folder
}

/// JSON values, one a line.
pub fn lines(rows: impl IntoIterator<Item = Value>) -> String {
    rows.into_iter().map(|row| format!("{row}\n")).collect()
}

pub fn open(name: &str, protocol: Protocol, folder: &Path) -> Suite {
    let suites = Suites::builtin().open(&[name], protocol, folder);
    suites.unwrap().pop().unwrap()
}

/// The prompt of a row.
pub fn prompt(suite: &Suite, row: usize) -> String {
    match &suite.rows()[row].request {
        Request::Generate { prompt, .. } | Request::Choose { prompt, .. } => prompt.text(),
        Request::Loss { text, .. } => text.clone(),
    }
}

pub fn text(output: &str) -> Response {
    Response::Text(output.to_string())
}

/// Log-probabilities and numbers of tokens of the choices.
pub fn choices(of: &[(f64, usize)]) -> Response {
    Response::Choices(of.iter().map(|of| likelihood(*of)).collect())
}

pub fn likelihood((log_probability, tokens): (f64, usize)) -> Likelihood {
    Likelihood {
        log_probability,
        tokens,
    }
}

/// The standard error in percent of a share of rows that are right: the standard deviation of
/// zeros and ones, with one degree of freedom less than rows.
pub fn error_of_share(right: f64, rows: f64) -> f64 {
    let share = right / rows;
    100.0 * (share * (1.0 - share) / (rows - 1.0)).sqrt()
}

/// Equal but for the rounding of a few dozen additions in f64.
pub fn assert_near(found: f64, expected: f64, what: &str) {
    let tolerance = 1e-12 * expected.abs().max(1.0);
    assert!(
        (found - expected).abs() <= tolerance,
        "{what}: found {found}, expected {expected}"
    );
}
