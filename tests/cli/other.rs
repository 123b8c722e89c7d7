//! The commands around a run.

use std::fs;

use crate::{experiments, fail, repository, scratch, succeed};

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
fn completions_are_printed() {
    let folder = scratch();
    for shell in ["bash", "zsh", "fish"] {
        let script = succeed(folder.path(), &["completions", shell]);
        assert!(script.contains("experiments") && script.contains("trace"));
    }
}

#[test]
fn bench_times_variants_beside_plain_fine_tuning() {
    let folder = scratch();
    let small = ["bench", "--tokens", "128", "--rounds", "2", "--warmup", "1"];
    let more = ["--variant", "core,lora", "--share", "0.8", "--out", "bench"];
    let shown = succeed(folder.path(), &[&small[..], &more].concat());
    for row in ["llama-s, 128 tokens", "plain", "osft core 0.8", "lora"] {
        assert!(shown.contains(row), "no {row} in:\n{shown}");
    }
    let page = fs::read_to_string(folder.path().join("bench/report.md")).unwrap();
    assert!(page.contains("| osft core 0.8") && page.contains("How this was made"));
    let json = fs::read_to_string(folder.path().join("bench/bench.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let rows = json["cases"][0]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    for row in rows {
        assert_eq!(row["step_seconds"].as_array().unwrap().len(), 2);
        assert!(row["losses"][0].as_f64().unwrap() > 0.0);
    }
    // At this share and length a step in core coordinates takes fewer multiplications.
    let counted = |row: usize| rows[row]["ready"]["multiplications"].as_u64().unwrap();
    assert!(counted(1) < 2 * counted(0));
}

#[cfg(unix)]
#[test]
fn bench_gives_other_programs_their_turn_and_recomputes_activations() {
    let folder = scratch();
    let script = r#"
        echo '{"setup_seconds": 1, "setup_mebibytes": null, "parameters": 7, "multiplications": null}'
        while read -r order; do
            echo '{"forward_seconds": 1, "step_seconds": 1000, "mebibytes": 5, "loss": 0.5}'
        done
    "#;
    fs::write(folder.path().join("peer.sh"), script).unwrap();
    let small = ["bench", "--tokens", "128", "--rounds", "1", "--warmup", "0"];
    let more = ["--variant", "core", "--share", "0.8", "--out", "bench"];
    let ways = [
        "--activations",
        "kept,recomputed",
        "--peer",
        "other=sh peer.sh",
    ];
    succeed(folder.path(), &[&small[..], &more, &ways].concat());
    let json = fs::read_to_string(folder.path().join("bench/bench.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let rows = json["cases"][0]["rows"].as_array().unwrap();
    let labels: Vec<&str> = rows
        .iter()
        .map(|row| row["label"].as_str().unwrap())
        .collect();
    let expected = [
        "plain",
        "osft core 0.8",
        "plain, recomputed",
        "osft core 0.8, recomputed",
        "other",
    ];
    assert_eq!(labels, expected);
    assert_eq!(rows[4]["step_seconds"][0], 1000.0);
    // What is recomputed changes no loss beyond the rounding of f32.
    for (kept, again) in [(0, 2), (1, 3)] {
        let loss = |row: usize| rows[row]["losses"][0].as_f64().unwrap();
        assert!((loss(kept) - loss(again)).abs() < 1e-4, "{json}");
    }
    let page = fs::read_to_string(folder.path().join("bench/report.md")).unwrap();
    assert!(page.contains("--peer 'other=sh peer.sh'"), "{page}");
}

#[test]
fn bench_refuses_what_it_cannot_time() {
    let folder = scratch();
    let error = fail(
        folder.path(),
        &["bench", "--share", "1.5", "--out", "bench"],
    );
    assert!(error.contains("--share 1.5 is out of range"), "{error}");
    let output = experiments(folder.path())
        .args(["bench", "--peer", "nobody"])
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains("expected NAME=COMMAND, found \"nobody\""),
        "{error}"
    );
    let missing = [
        "bench",
        "--variant",
        "plain",
        "--peer",
        "x=/no/such/program",
    ];
    let error = fail(folder.path(), &missing);
    assert!(error.contains("cannot start a process for x"), "{error}");
    let error = fail(folder.path(), &["bench", "--worker", "{}"]);
    assert!(error.contains("what to time"), "{error}");
    assert!(!folder.path().join("bench").exists());
}
