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
    let course = json(&only(&out, "suites-seqft-lr3e-4-*-seed0.json"));
    let stages = &course["stages"];
    let rows = |stage: usize| {
        let values = &stages[stage]["suites"][0]["values"][0];
        values.as_array().unwrap().len()
    };
    assert_eq!((rows(0), rows(1)), (2, 3));
    // The change in the table is that of the files: weighted by tokens.
    let base = json(&only(&out, "suites-base-*.json"));
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
    // Nor with fewer suites, in whatever order; what the others reached stays.
    let fewer = [&plain[..], &["--general", "texts.txt"]].concat();
    let shown = succeed(folder.path(), &fewer);
    assert!(shown.contains("3 runs: 3 ended, 0 to do"), "{shown}");
    fs::write(folder.path().join("more.txt"), "Ann sees a bird.\n").unwrap();
    let more = [&plain[..], &["--general", "more.txt,texts.txt"]].concat();
    let shown = succeed(folder.path(), &more);
    assert!(shown.contains("3 runs: 1 ended, 2 to do"), "{shown}");
    let course = json(&only(&out, "suites-seqft-lr3e-4-*-seed0.json"));
    let names = |stage: usize| -> Vec<String> {
        let suites = course["stages"][stage]["suites"].as_array().unwrap();
        let mut names: Vec<String> = (suites.iter())
            .map(|suite| suite["suite"].as_str().unwrap().to_string())
            .collect();
        names.sort();
        names
    };
    assert_eq!(
        (names(0), names(1)),
        (
            vec!["texts".to_string()],
            vec!["more".to_string(), "texts".to_string()]
        )
    );
    // A third seed with other suites: every mean says of how many runs it is.
    let seeds = ["--seeds", "0,1", "--general", "more.txt"];
    succeed(folder.path(), &[&plain[..], &seeds].concat());
    let page = fs::read_to_string(out.join("report.md")).unwrap();
    assert!(page.contains("(1 of 2)"), "{page}");
    // Runs for the curves do not measure suites, and are not run again for them.
    let curves = [
        "--general",
        "more.txt",
        "--curves",
        "--set",
        "tune_grid=[1e-5]",
    ];
    let shown = succeed(folder.path(), &[&plain[..], &curves].concat());
    assert!(shown.contains("6 runs: 3 ended, 3 to do"), "{shown}");
    let shown = succeed(folder.path(), &[&plain[..], &curves].concat());
    assert!(shown.contains("6 runs: 6 ended, 0 to do"), "{shown}");
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

#[test]
fn what_suites_read_is_checked_before_a_run() {
    let folder = scratch();
    let validate = [&["validate"], &SMALL[..], &["--general", "texts.txt"]].concat();
    let error = fail(folder.path(), &validate);
    assert!(error.contains("texts.txt"), "{error}");
    fs::write(folder.path().join("texts.txt"), "Tom has a red book.\n").unwrap();
    let shown = succeed(folder.path(), &validate);
    let rows =
        "general ability: rows before the first and after the last task: 1, after every other: 0";
    assert!(shown.contains(rows), "{shown}");
}
