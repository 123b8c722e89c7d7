//! Models between the base model and a trained one, and merged models.

use std::fs;

use crate::runs::{SMALL, result};
use crate::{fail, only, scratch, succeed};

#[test]
fn the_line_to_a_trained_model_begins_at_the_base_and_ends_at_its_scores() {
    let folder = scratch();
    let methods = ["--method", "seqft,per-task", "--interpolate", "0,0.5,1"];
    succeed(
        folder.path(),
        &[&SMALL[..], &methods, &["--out", "run"]].concat(),
    );
    let out = folder.path().join("run");
    let line = result(&out, "line-seqft-*-seed0.json");
    let seqft = result(&out, "result-seqft-*-seed0.json");
    assert_eq!(line[0]["scores"], seqft["scores"][0]);
    assert_eq!(line[2]["scores"], seqft["scores"][2]);
    assert_eq!(
        [&line[0]["general"], &line[2]["general"]],
        [&seqft["general"][0], &seqft["general"][1]]
    );
    let page = fs::read_to_string(out.join("report.md")).unwrap();
    assert_eq!(
        page.matches("## Between the base model").count(),
        1,
        "{page}"
    );

    let error = fail(
        folder.path(),
        &[&SMALL[..], &["--interpolate", "1.5"]].concat(),
    );
    assert!(
        error.contains("--interpolate 1.5 is out of range"),
        "{error}"
    );
}

#[test]
fn a_name_with_signs_that_no_file_may_have_still_names_files() {
    let folder = scratch();
    let more = [
        "--method",
        "slerp,wise-ft",
        "--set",
        "methods.wise-ft.weight='1/sqrt(t)'",
        "--interpolate",
        "0.5",
        "--out",
        "run",
    ];
    succeed(folder.path(), &[&SMALL[..], &more].concat());
    let out = folder.path().join("run");
    for stem in ["slerp-1-t", "wise-ft-1-sqrt-t-"] {
        for (kind, end) in [("result", "json"), ("matrix", "csv"), ("line", "json")] {
            only(&out, &format!("{kind}-{stem}-*-seed0.{end}"));
        }
    }
}

#[test]
fn weights_that_are_not_finite_end_the_task_that_made_them_so() {
    let folder = scratch();
    let more = ["--method", "ties", "--set", "methods.ties.scale=1e300"];
    let error = fail(
        folder.path(),
        &[&SMALL[..], &more, &["--out", "run"]].concat(),
    );
    assert!(
        error.contains("the weights are not finite after task \"stance\""),
        "{error}"
    );
}

#[test]
fn a_complete_job_cannot_be_asked_for_its_model_later() {
    let folder = scratch();
    let small = [&SMALL[..], &["--method", "seqft", "--out", "run"]].concat();
    succeed(folder.path(), &small);
    for flag in [&["--save-model"][..], &["--interpolate", "0.5"]] {
        let again = [&["trace", "--resume", "run"][..], flag].concat();
        let error = fail(folder.path(), &again);
        assert!(
            error.contains(flag[0]) && error.contains("has ended without it"),
            "{error}"
        );
    }
    succeed(folder.path(), &["trace", "--resume", "run"]);
}
