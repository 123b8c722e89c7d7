//! Models between the base model and a trained one.

use std::fs;

use crate::runs::{SMALL, result};
use crate::{fail, scratch, succeed};

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
