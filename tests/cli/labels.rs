//! Labels scored by their likelihood: beside generated answers, instead of them, and in comparisons.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::resume::{findings, start};
use crate::runs::{SMALL, result};
use crate::sweep::{SMALL as TRIAL, runs};
use crate::{fail, only, scratch, succeed};

fn run(folder: &Path, out: &str, more: &[&str]) -> String {
    let own = ["--method", "seqft", "--out", out];
    succeed(folder, &[&SMALL[..], &own, more].concat())
}

const RESULT: &str = "result-seqft-*-seed0.json";

#[test]
fn both_ways_stand_side_by_side_and_generated_scores_stay() {
    let folder = scratch();
    let plain = run(folder.path(), "plain", &[]);
    assert!(!plain.contains("likel"), "{plain}");
    let shown = run(folder.path(), "beside", &["--label-scores", "beside"]);
    for column in ["AA by likelihood", "BWT generated", "lost as format"] {
        assert!(shown.contains(column), "no {column} in:\n{shown}");
    }
    let of = |out: &str| result(&folder.path().join(out), RESULT);
    let (before, after) = (of("plain"), of("beside"));
    for same in ["scores", "row_scores", "in_format", "figures"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    assert_ne!(before["identity"]["key"], after["identity"]["key"]);
    for absent in ["label_scores", "by_likelihood"] {
        assert!(before.get(absent).is_none(), "{absent}");
    }
    // "stance" has labels, "sums" has none; whatever is scored by generation is scored by likelihood too.
    for learned in 0..3 {
        let scores = |which: &str| after[which][learned].clone();
        assert_eq!(
            scores("label_scores")[0].is_number(),
            scores("scores")[0].is_number()
        );
        assert!(scores("label_scores")[1].is_null());
    }
    let out = folder.path().join("beside");
    let csv = only(&out, "matrix-by-likelihood-seqft-*-seed0.csv");
    let csv = fs::read_to_string(csv).unwrap();
    assert_eq!(csv.lines().next(), Some("after,stance,sums"));
    let page = fs::read_to_string(out.join("report.md")).unwrap();
    assert!(page.contains("Lost as format: BWT by likelihood"), "{page}");
    let log = fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
    let scored: Vec<Value> = lines
        .filter(|line: &Value| line.get("score_by_likelihood").is_some())
        .collect();
    assert_eq!(scored.len(), 3);
    assert!(scored.iter().all(|line| line["task"] == json!(0)));

    // Runs with and without stand in one table, told apart by the setting.
    let joined = succeed(
        folder.path(),
        &["report", "plain", "beside", "--out", "joined"],
    );
    assert!(joined.contains("seqft (label_scores = beside)"), "{joined}");
    assert!(joined.contains("lost as format"), "{joined}");
}

#[test]
fn labels_instead_of_answers_are_said_in_every_report() {
    let folder = scratch();
    let shown = run(folder.path(), "run", &["--label-scores", "instead"]);
    let note = "The scores of stance are not those of generated answers";
    assert!(shown.contains(note), "{shown}");
    let out = folder.path().join("run");
    let page = fs::read_to_string(out.join("report.md")).unwrap();
    assert!(page.contains(note), "{page}");
    let title = page.lines().next().unwrap();
    assert!(
        title.contains("labels scored by their likelihood"),
        "{title}"
    );
    let result = result(&out, RESULT);
    assert_eq!(result["by_likelihood"], json!(["stance"]));
    assert!(result.get("label_scores").is_none());
    // What is chosen from the list is in format by nature: that is no finding.
    assert_eq!(result["in_format"], json!([null, null]));
    let joined = succeed(folder.path(), &["report", "run", "--out", "joined"]);
    assert!(joined.contains(note), "{joined}");
}

#[test]
fn comparisons_and_searches_count_and_show_them() {
    let folder = scratch();
    let compare = |scores: &str, out: &str| {
        let own = ["compare", "--method", "seqft,per-task", "--out", out];
        let scores = ["--label-scores", scores];
        succeed(folder.path(), &[&own[..], &TRIAL, &scores].concat())
    };
    let shown = compare("beside", "beside");
    // Six questions: of seqft after no, one and two tasks, of per-task before and after its own.
    assert!(
        shown.contains("30 of them by the likelihood of labels"),
        "{shown}"
    );
    let out = folder.path().join("beside");
    let csv = fs::read_to_string(out.join("compare.csv")).unwrap();
    let header: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    let column = |name: &str| header.iter().position(|own| *own == name).unwrap();
    for line in csv.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let number = |name: &str| cells[column(name)].parse::<f64>().unwrap();
        assert_eq!(number("labelled_tasks"), 1.0);
        if cells[0] == "seqft" {
            let lost = number("bwt_by_likelihood") - number("bwt_generated");
            assert_eq!(number("lost_as_format"), lost);
        } else {
            assert!(cells[column("lost_as_format")].is_empty(), "{line}");
        }
    }
    let page = fs::read_to_string(out.join("report.md")).unwrap();
    assert!(page.contains("## Labels by their likelihood"), "{page}");
    assert!(page.contains("AA by likelihood"), "{page}");

    compare("none", "none");
    let csv = fs::read_to_string(folder.path().join("none/compare.csv")).unwrap();
    assert!(
        !csv.contains("likelihood") && !csv.contains("format as"),
        "{csv}"
    );
    let page = fs::read_to_string(folder.path().join("none/report.md")).unwrap();
    assert!(!page.contains("likelihood"), "{page}");

    let search = ["sweep", "--out", "sweep", "--method", "seqft"];
    let more = ["--set", "tune_grid=[1e-3]", "--label-scores", "instead"];
    succeed(folder.path(), &[&search[..], &TRIAL, &more].concat());
    let sweep = folder.path().join("sweep");
    assert_eq!(runs(&sweep).len(), 1);
    let page = fs::read_to_string(sweep.join("report.md")).unwrap();
    assert!(page.contains("labels scored by their likelihood"), "{page}");
}

#[test]
fn a_killed_run_goes_on_with_both_matrices() {
    let more = [
        "--method",
        "seqft",
        "--out",
        "run",
        "--label-scores",
        "beside",
        "--set",
        "checkpoints.every_steps=1",
    ];
    let arguments = [&SMALL[..], &more].concat();
    let whole = scratch();
    succeed(whole.path(), &arguments);
    let logged = |folder: &Path| {
        let log = fs::read_to_string(folder.join("run/metrics.jsonl"));
        log.map_or(0, |log| log.lines().count())
    };
    for percent in [30, 80] {
        let killed = scratch();
        let mut child = start(killed.path(), &arguments);
        let begun = Instant::now();
        while logged(killed.path()) < logged(whole.path()) * percent / 100 {
            assert!(begun.elapsed() < Duration::from_secs(120), "{percent} %");
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = child.kill();
        child.wait().unwrap();
        let ended = fs::read_dir(killed.path().join("run")).unwrap();
        let mut names = ended.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert!(
            !names.any(|name| name.starts_with("result-")),
            "it ended before it was killed at {percent} %"
        );
        succeed(killed.path(), &["trace", "--resume", "run"]);
        let found = findings(&killed.path().join("run"));
        assert_eq!(found, findings(&whole.path().join("run")), "{percent} %");
        let result = result(&killed.path().join("run"), RESULT);
        assert!(result["label_scores"][2][0].is_number());
    }
}

#[test]
fn an_encoder_decoder_scores_its_labels_too() {
    let folder = scratch();
    let arguments = [
        "t5",
        "--order",
        "causes,press",
        "--method",
        "seqft",
        "--limit-per-class",
        "2",
        "--limit-test",
        "6",
        "--epochs",
        "1",
        "--label-scores",
        "beside",
        "--out",
        "run",
    ];
    let shown = succeed(folder.path(), &arguments);
    assert!(shown.contains("lost as format"), "{shown}");
    let result = result(&folder.path().join("run"), RESULT);
    let last = result["label_scores"][2].as_array().unwrap();
    assert!(
        last.iter()
            .all(|score| (0.0..=100.0).contains(&score.as_f64().unwrap()))
    );
}

#[test]
fn label_scores_that_measure_nothing_are_refused() {
    let folder = scratch();
    let arguments = [
        "trace",
        "--order",
        "sums",
        "--label-scores",
        "beside",
        "--out",
        "run",
    ];
    let error = fail(folder.path(), &arguments);
    assert!(
        error.contains("label_scores would have no effect: no task of order sums"),
        "{error}"
    );
    assert!(!folder.path().join("run").exists());
    let limited = ["validate", "--order", "sums", "--limit-per-class", "5"];
    let error = fail(folder.path(), &limited);
    assert!(
        error.contains("limit_per_class would have no effect: no task of order sums"),
        "{error}"
    );
    let error = fail(folder.path(), &["trace", "--label-scores", "all"]);
    assert!(error.contains("beside"), "{error}");
    let set = ["trace", "--set", "label_scores='all'", "--out", "run"];
    let error = fail(folder.path(), &set);
    assert!(
        error.contains("label_scores") && error.contains("instead"),
        "{error}"
    );
    let validated = succeed(
        folder.path(),
        &[
            "validate",
            "--order",
            "stance,sums",
            "--label-scores",
            "instead",
        ],
    );
    assert!(
        validated.contains("of them by the likelihood of labels"),
        "{validated}"
    );
}

#[test]
fn a_list_of_labels_is_part_of_what_a_run_is_known_by() {
    let folder = scratch();
    let suite = folder.path().join("suite");
    succeed(folder.path(), &["datasets", "generate", "--out", "suite"]);
    let key = || {
        let order = ["validate", "--data", "suite", "--order", "stance"];
        let shown = succeed(
            folder.path(),
            &[&order[..], &["--method", "seqft"]].concat(),
        );
        let line = shown.lines().find(|line| line.contains(", key ")).unwrap();
        line.split(", key ").nth(1).unwrap()[..8].to_string()
    };
    let described = fs::read_to_string(suite.join("suite.json")).unwrap();
    let mut changed: Value = serde_json::from_str(&described).unwrap();
    assert_eq!(changed["tasks"][0]["labels"], json!(["A", "B", "C"]));
    let before = key();
    // One that no row has as its answer changes which answers are in format, and no row.
    changed["tasks"][0]["labels"] = json!(["A", "B", "C", "D"]);
    fs::write(suite.join("suite.json"), changed.to_string()).unwrap();
    assert_ne!(before, key());
}
