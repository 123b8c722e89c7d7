//! What a step costs: `bench` and `scaling`.

use std::fs;
use std::path::Path;

use crate::{fail, repository, scratch, succeed};

#[test]
fn bench_times_variants_beside_plain_fine_tuning() {
    let folder = scratch();
    let small = ["bench", "--tokens", "512", "--rounds", "2", "--warmup", "1"];
    let more = ["--variant", "core,lora", "--share", "0.8", "--out", "bench"];
    let shown = succeed(folder.path(), &[&small[..], &more].concat());
    for row in ["llama-s, 512 tokens", "plain", "osft core 0.8", "lora"] {
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
    // Three products per block of four matrices of 256² and three of 256 x 704.
    let counted = |row: usize| rows[row]["ready"]["multiplications"].as_u64().unwrap();
    assert_eq!(counted(0), 4 * 3 * 512 * (4 * 256 * 256 + 3 * 256 * 704));
    // At this share and length a step in core coordinates takes fewer multiplications.
    assert!(counted(1) < counted(0));
}

#[test]
fn bench_reports_the_tokens_that_it_goes_through() {
    let folder = scratch();
    let small = ["bench", "--shape", "llama-64x1", "--variant", "plain"];
    let rounds = ["--rounds", "1", "--warmup", "0"];
    // Two rows of 128 hold 200.
    let more = ["--tokens", "200", "--out", "bench"];
    let shown = succeed(folder.path(), &[&small[..], &rounds, &more].concat());
    assert!(shown.contains("llama-64x1, 256 tokens"), "{shown}");
    let json = fs::read_to_string(folder.path().join("bench/bench.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let case = &json["cases"][0];
    let row = &case["rows"][0];
    assert_eq!(
        (&case["tokens"], &row["spec"]["tokens"]),
        (&256.into(), &256.into())
    );
    let counted = row["ready"]["multiplications"].as_u64().unwrap();
    assert_eq!(counted, 3 * 256 * (4 * 64 * 64 + 3 * 64 * 192));

    let page = fs::read_to_string(folder.path().join("bench/report.md")).unwrap();
    assert!(page.contains("| llama-64x1, 256 tokens "), "{page}");
    let row_of_page = page
        .lines()
        .find(|line| line.starts_with("| plain "))
        .unwrap();
    let per_second: f64 = row_of_page
        .split('|')
        .nth(5)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let expected = 256.0 / row["step_seconds"][0].as_f64().unwrap();
    // It is printed without decimals.
    assert!(
        (per_second - expected).abs() <= 0.5,
        "{per_second} {expected}"
    );
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
    let error = fail(folder.path(), &["bench", "--peer", "nobody"]);
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

#[test]
fn bench_measures_what_grows_and_scaling_fits_it() {
    let folder = scratch();
    let small = ["bench", "--rounds", "1", "--warmup", "0", "--share", "0.5"];
    let widths = [
        "--shape",
        "llama-64x1,llama-128x1,llama-192x1",
        "--variant",
        "core",
        "--tokens",
        "128",
        "--out",
        "widths",
    ];
    let tasks = [
        "--shape",
        "llama-64x1",
        "--variant",
        "core,o-lora",
        "--base-precision",
        "full,bf16",
        "--tokens",
        "128",
        "--tasks",
        "1,2,3",
        "--split-cache",
        "splits",
        "--out",
        "tasks",
    ];
    succeed(folder.path(), &[&small[..], &widths].concat());
    let shown = succeed(folder.path(), &[&small[..], &tasks].concat());
    for label in ["osft core 0.5, bf16 base, task 3", "o-lora, task 2"] {
        assert!(shown.contains(label), "no {label} in\n{shown}");
    }
    // Of each precision a split per task: the weights of a second task are others.
    let kept = fs::read_dir(folder.path().join("splits")).unwrap().count();
    assert_eq!(kept, 2 * 3);

    let shown = succeed(
        folder.path(),
        &["scaling", "widths", "tasks", "--out", "scaling"],
    );
    for text in [
        "step, ms by width",
        "setup, s by tasks",
        "exponent",
        "osft core 0.5 (1 block, 128 tokens)",
        "o-lora (llama-64x1, 128 tokens)",
    ] {
        assert!(shown.contains(text), "no {text} in\n{shown}");
    }
    let page = fs::read_to_string(folder.path().join("scaling/report.md")).unwrap();
    assert!(page.contains("--shape llama-64x1,llama-128x1,llama-192x1") && page.contains("±"));
    for picture in ["width.svg", "tasks.svg"] {
        assert!(folder.path().join("scaling").join(picture).is_file());
    }
    let error = fail(folder.path(), &["scaling", "scaling"]);
    assert!(error.contains("bench.json"), "{error}");
}

#[test]
fn scaling_says_what_it_needs() {
    let folder = scratch();
    let one = ["bench", "--rounds", "1", "--warmup", "0", "--tokens", "128"];
    let small = ["--shape", "llama-64x1", "--variant", "plain", "--out", "b"];
    succeed(folder.path(), &[&one[..], &small].concat());
    let error = fail(folder.path(), &["scaling", "b"]);
    assert!(error.contains("measured in three places"), "{error}");
    let error = fail(folder.path(), &["bench", "--shape", "llama-100x2"]);
    assert!(error.contains("multiple of 64"), "{error}");
}

/// What was measured by earlier versions gives the tables that were committed.
#[test]
fn committed_measurements_give_the_committed_tables() {
    let folder = scratch();
    let results = repository().join("results/scaling");
    let kinds = [
        "width",
        "width-found",
        "tokens",
        "tasks",
        "tasks-found",
        "share",
    ];
    let folders = kinds.map(|kind| results.join(kind).display().to_string());
    let mut arguments = vec!["scaling"];
    arguments.extend(folders.iter().map(String::as_str));
    arguments.extend(["--out", "fits"]);
    succeed(folder.path(), &arguments);
    let rows = |page: &Path| -> Vec<String> {
        let page = fs::read_to_string(page).unwrap();
        let lines = page.lines().filter(|line| line.starts_with('|'));
        lines.map(str::to_string).collect()
    };
    let found = rows(&folder.path().join("fits/report.md"));
    assert!(found.len() > 50);
    assert_eq!(found, rows(&results.join("fits/report.md")));
}
