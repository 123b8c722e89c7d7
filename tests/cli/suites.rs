//! Suites of general ability in a comparison: before, after every task, and in the end.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::sweep::{SMALL, runs};
use crate::{fail, only, scratch, succeed};

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_comparison_measures_suites_after_every_task() {
    let folder = scratch();
    let texts = "Tom has a red book.\nThe cat sat on the mat.\nMary saw the dog.\n";
    fs::write(folder.path().join("texts.txt"), texts).unwrap();
    let plain = [
        &["compare", "--out", "compared"],
        &SMALL[..],
        &["--method", "seqft,osft,per-task"],
    ]
    .concat();
    // Runs that ended without suites lack what is asked for now.
    succeed(folder.path(), &plain);
    let out = folder.path().join("compared");
    assert_eq!(runs(&out).len(), 3);
    let page = fs::read_to_string(out.join("report.md")).unwrap();
    assert!(!page.contains("## General ability"), "{page}");
    let suites = [
        "--general",
        "texts.txt",
        "--set",
        "suites.after_every_task=true",
        "--set",
        "suites.limit_between=2",
    ];
    let measured = [&plain[..], &suites].concat();
    let shown = succeed(folder.path(), &measured);
    assert!(shown.contains("3 runs: 1 ended, 2 to do"), "{shown}");
    assert_eq!(runs(&out).len(), 3);
    let page = fs::read_to_string(out.join("report.md")).unwrap();
    assert!(page.contains("## General ability"), "{page}");
    assert!(page.contains("texts (3 rows, before "), "{page}");
    assert!(page.contains("| after 1 | after 2 |"), "{page}");
    let stages = json(&only(&out, "suites-seqft-lr3e-4-*-seed0.json"));
    let rows = |stage: usize| {
        let values = &stages[stage]["suites"][0]["values"][0];
        values.as_array().unwrap().len()
    };
    assert_eq!((rows(0), rows(1)), (2, 3));
    // The change in the table is that of the files: weighted by tokens.
    let base = json(&out.join("suites-base.json"));
    let at_end = base
        .as_array()
        .unwrap()
        .iter()
        .find(|kept| kept["score"]["rows"].as_array().unwrap().len() == 3);
    let score = &at_end.unwrap()["score"];
    let weight = |row: usize| score["rows"][row]["weight"].as_f64().unwrap();
    let value = |of: &Value, row: usize| of[row].as_f64().unwrap();
    let (before, after) = (
        &score["measures"][0]["values"],
        &stages[1]["suites"][0]["values"][0],
    );
    let change: f64 = (0..3)
        .map(|row| weight(row) * (value(after, row) - value(before, row)))
        .sum();
    let change = change / (0..3).map(weight).sum::<f64>();
    let sign = if change < 0.0 { "−" } else { "+" };
    let shown = format!("{sign}{:.4} [", change.abs());
    let row = page
        .lines()
        .find(|line| line.starts_with("| seqft") && line.contains(" ["))
        .unwrap();
    assert!(row.contains(&shown), "{shown} is not in {row}");
    // With the same suites nothing is run again.
    let again = succeed(folder.path(), &measured);
    assert!(again.contains("3 runs: 3 ended, 0 to do"), "{again}");
}

#[test]
fn a_search_refuses_suites() {
    let folder = scratch();
    let swept = [
        &["sweep", "--out", "swept"],
        &SMALL[..],
        &["--method", "seqft", "--general", "mmlu"],
    ]
    .concat();
    let error = fail(folder.path(), &swept);
    assert!(
        error.contains("a search measures no suites of general ability (mmlu)"),
        "{error}"
    );
}
