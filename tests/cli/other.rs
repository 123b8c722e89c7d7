//! The commands around a run.

use std::fs;

use crate::{fail, only, repository, scratch, succeed};

#[test]
fn list_shows_what_there_is() {
    let folder = scratch();
    let shown = succeed(folder.path(), &["list"]);
    for word in [
        "flex",
        "cuda",
        "seqft",
        "osft",
        "TRACE",
        "C-STANCE",
        "built-in suite",
        "order 2",
    ] {
        assert!(shown.contains(word), "no {word} in:\n{shown}");
    }
}

#[test]
fn validate_says_what_a_run_would_do() {
    let folder = scratch();
    let shown = succeed(
        folder.path(),
        &["validate", "--limit-train", "10", "--share", "0.8"],
    );
    for word in [
        "stance",
        "10 training rows",
        "parameters",
        "learning rate",
        "osft-paper",
        "can start",
    ] {
        assert!(shown.contains(word), "no {word} in:\n{shown}");
    }
    let settings = succeed(folder.path(), &["validate", "--print", "--lr", "0.5"]);
    fs::write(folder.path().join("all.toml"), &settings).unwrap();
    let again = succeed(
        folder.path(),
        &["validate", "--print", "--config", "all.toml"],
    );
    assert_eq!(settings, again);
    assert!(settings.contains("osft = 0.5"), "{settings}");
}

#[test]
fn the_committed_suite_is_the_one_the_generator_makes() {
    let folder = scratch();
    let committed = repository().join("datasets/builtin/suite");
    succeed(folder.path(), &["datasets", "generate", "--out", "suite"]);
    let hashes = |path: &std::path::Path| fs::read_to_string(path.join("SHA256SUMS")).unwrap();
    assert_eq!(hashes(&committed), hashes(&folder.path().join("suite")));
    succeed(folder.path(), &["datasets", "verify", "suite"]);

    let rows = folder.path().join("suite/stance/test.json");
    let changed = fs::read_to_string(&rows).unwrap().replacen('A', "B", 1);
    fs::write(&rows, changed).unwrap();
    let error = fail(folder.path(), &["datasets", "verify", "suite"]);
    assert!(error.contains("stance/test.json"), "{error}");
}

#[test]
fn committed_runs_can_be_reported() {
    let folder = scratch();
    for (run, words) in [
        (
            "trace-builtin",
            "osft inputs core energy 0.95 outputs within 0.015",
        ),
        ("t5-builtin", "mean: AA"),
        ("t5-readings/text", "osft weights factored adaptive"),
        ("trace-smollm2-64/seqft", "older clock"),
    ] {
        let run = repository().join("results").join(run);
        let shown = succeed(folder.path(), &["report", run.to_str().unwrap()]);
        assert!(shown.contains(words), "{shown}");
    }
}

#[test]
fn reports_need_finished_runs() {
    let folder = scratch();
    fs::create_dir(folder.path().join("empty")).unwrap();
    let error = fail(folder.path(), &["report", "empty"]);
    assert!(
        error.contains("not the folder of a finished run"),
        "{error}"
    );
    let error = fail(folder.path(), &["report", "nowhere"]);
    assert!(error.contains("nowhere"), "{error}");
}

#[test]
fn backends_are_compared_and_missing_ones_do_not_pass() {
    let folder = scratch();
    let arguments = [
        "portability",
        "--backends",
        "ndarray,flex,cuda",
        "--out",
        "port",
    ];
    let shown = succeed(folder.path(), &arguments);
    assert!(
        shown.contains("core: leak") && !shown.contains("FAIL"),
        "{shown}"
    );
    assert!(shown.contains("cuda: not run"), "{shown}");
    let json = fs::read_to_string(folder.path().join("port/portability.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let compared = &json["comparison"]["backends"];
    assert_eq!(compared, &serde_json::json!(["ndarray", "flex"]));
    assert!(folder.path().join("port/report.md").is_file());

    let strict = ["portability", "--backends", "ndarray,flex,cuda", "--strict"];
    assert!(fail(folder.path(), &strict).contains("cuda was not run"));
    let alone = ["portability", "--backends", "flex"];
    assert!(fail(folder.path(), &alone).contains("fewer than two backends"));
}

#[test]
fn backends_are_compared_with_weights_in_bf16() {
    let folder = scratch();
    let bf16 = ["portability", "--base-precision", "bf16", "--backends"];
    let arguments = [&bf16[..], &["flex,flex", "--out", "port"]].concat();
    let shown = succeed(folder.path(), &arguments);
    // The parts in core coordinates, and no others.
    assert!(
        shown.contains("core: leak") && !shown.contains("weight: leak"),
        "{shown}"
    );
    let json = fs::read_to_string(folder.path().join("port/portability.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["base_precision"], "bf16");
    let page = fs::read_to_string(folder.path().join("port/report.md")).unwrap();
    assert!(page.contains("weights held in bf16"), "{page}");

    let error = fail(folder.path(), &[&bf16[..], &["flex,ndarray"]].concat());
    assert!(error.contains("does not fully support"), "{error}");
}

#[test]
fn completions_are_printed() {
    let folder = scratch();
    for shell in ["bash", "zsh", "fish"] {
        let script = succeed(folder.path(), &["completions", shell]);
        assert!(script.contains("experiments") && script.contains("trace"));
    }
}

#[test]
fn suites_of_general_ability_stand_around_a_run() {
    let folder = scratch();
    let texts = "Tom has a red book.\nThe cat sat on the mat.\n";
    std::fs::write(folder.path().join("texts.txt"), texts).unwrap();
    let arguments = [
        "trace",
        "--out",
        "run",
        "--method",
        "seqft,osft",
        "--order",
        "stance",
        "--limit-train",
        "16",
        "--limit-test",
        "4",
        "--epochs",
        "1",
        "--general",
        "texts.txt",
        "--set",
        "calibration.base_rows=8",
    ];
    succeed(folder.path(), &arguments);
    let run = folder.path().join("run");
    let page = std::fs::read_to_string(run.join("report.md")).unwrap();
    assert_eq!(page.matches("## General ability").count(), 2, "{page}");
    let loss = |method: &str| -> f64 {
        let file = only(&run, &format!("suites-{method}-*-seed0.json"));
        let text = std::fs::read_to_string(file).unwrap();
        let course: serde_json::Value = serde_json::from_str(&text).unwrap();
        let stages = &course["stages"];
        assert_eq!(stages[0]["learned"], 1);
        stages[0]["suites"][0]["values"][0][0].as_f64().unwrap()
    };
    assert_ne!(
        loss("seqft"),
        loss("osft-inputs-core-energy-0.95-outputs-within-0.015")
    );
    let error = fail(folder.path(), &["trace", "--general", "nothing"]);
    assert!(
        error.contains("nothing") && error.contains("mmlu"),
        "{error}"
    );
}
