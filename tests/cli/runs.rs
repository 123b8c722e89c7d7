//! Whole runs of the built-in suite at the smallest scale.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::{fail, figure, only, scratch, succeed};

pub const SMALL: [&str; 15] = [
    "trace",
    "--order",
    "stance,sums",
    "--limit-train",
    "24",
    "--limit-test",
    "6",
    "--epochs",
    "1",
    "--set",
    "train.global_batch=8",
    "--set",
    "train.micro_batch=4",
    "--set",
    "calibration.base_rows=8",
];

fn run(folder: &Path, more: &[&str]) -> String {
    succeed(folder, &[&SMALL, more].concat())
}

pub fn result(folder: &Path, name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(only(folder, name)).unwrap()).unwrap()
}

#[test]
fn a_run_leaves_everything_that_a_report_needs() {
    let folder = scratch();
    let shown = run(folder.path(), &["--out", "run"]);
    let out = folder.path().join("run");
    for column in [
        "AA",
        "BWT",
        "FWT",
        "general",
        "leak",
        "osft weights core 0.5",
        "osft inputs core energy",
        "report.md",
    ] {
        assert!(shown.contains(column), "no {column} in:\n{shown}");
    }
    for file in [
        "config.toml",
        "run.json",
        "metrics.jsonl",
        "report.md",
        "matrix.svg",
        "curves.svg",
    ] {
        assert!(out.join(file).is_file(), "no {file}");
    }
    only(
        &out,
        "osft-weights-core-0.5-*-seed0-calibration-2.safetensors",
    );
    let page = fs::read_to_string(out.join("report.md")).unwrap();
    assert!(
        page.contains("at most 24 training and 6 test rows"),
        "{page}"
    );
    assert!(
        page.contains("q_proj.weight") && page.contains("experiments trace"),
        "{page}"
    );

    let csv = fs::read_to_string(only(&out, "matrix-seqft-*-seed0.csv")).unwrap();
    assert_eq!(csv.lines().next(), Some("after,stance,sums"));
    assert_eq!(csv.lines().count(), 4);

    let osft = result(&out, "result-osft-weights-core-0.5-*-seed0.json");
    assert!(figure(&osft, "leak in") < 1e-5);
    assert_eq!(
        osft["general"][0],
        result(&out, "result-seqft-*-seed0.json")["general"][0]
    );

    // Two tasks of 28 layers and a header; the last columns say what moved since the base model.
    let layers =
        fs::read_to_string(only(&out, "layers-osft-weights-core-0.5-*-seed0.csv")).unwrap();
    assert_eq!(layers.lines().count(), 1 + 2 * 28);
    for line in layers.lines().skip(1) {
        let last: Vec<f64> = line
            .rsplit(',')
            .take(3)
            .map(|field| field.parse().unwrap())
            .collect();
        let [relative, bound, measured] = last[..] else {
            panic!("{line}");
        };
        assert!(
            measured > 0.0 && measured <= bound && relative < 1.0,
            "{line}"
        );
    }

    let log = fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    let events: Vec<Value> = log
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let steps = |method: &str| {
        let own = |e: &&Value| e["event"] == "step" && e["method"] == method;
        events.iter().filter(own).count()
    };
    assert_eq!(steps("seqft"), 2 * 3);
    assert_eq!(steps("osft weights core 0.5"), 2 * 3);
}

#[test]
fn a_seed_repeats_a_run_on_each_backend_and_the_backends_agree() {
    let folder = scratch();
    let scores = |backend: &str, out: &str, seed: &str| {
        let more = [
            "--backend",
            backend,
            "--out",
            out,
            "--seeds",
            seed,
            "--method",
            "osft-paper",
        ];
        run(folder.path(), &more);
        let name = format!("result-osft-weights-core-0.5-*-seed{seed}.json");
        let log = fs::read_to_string(folder.path().join(out).join("metrics.jsonl")).unwrap();
        let losses: Vec<f64> = log
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|event| event["event"] == "step")
            .map(|event| event["loss"].as_f64().unwrap())
            .collect();
        (
            result(&folder.path().join(out), &name)["scores"].clone(),
            losses,
        )
    };
    let flex = scores("flex", "a", "3");
    assert_eq!(
        flex,
        scores("flex", "b", "3"),
        "the same seed on the same backend"
    );
    assert_ne!(flex.1, scores("flex", "c", "4").1, "another seed");
    let ndarray = scores("ndarray", "d", "3");
    assert_eq!(
        ndarray,
        scores("ndarray", "e", "3"),
        "the same seed on the same backend"
    );
    assert_eq!((flex.1.len(), ndarray.1.len()), (6, 6));
    for (a, b) in flex.1.iter().zip(&ndarray.1) {
        // Six AdamW steps of f32 arithmetic in another order.
        assert!((a - b).abs() < 1e-3 * a.abs(), "losses {a} and {b}");
    }
}

#[test]
fn several_seeds_are_joined_with_their_spread() {
    let folder = scratch();
    let shown = run(
        folder.path(),
        &["--seeds", "0,1", "--method", "seqft", "--out", "two"],
    );
    assert!(shown.contains('±'), "{shown}");
    let again = run(
        folder.path(),
        &[
            "--method",
            "osft",
            "--osft-split",
            "weights",
            "--share",
            "0.8",
            "--out",
            "other",
        ],
    );
    assert!(again.contains("osft weights core 0.8"));
    let joined = succeed(
        folder.path(),
        &["report", "two", "other", "--out", "joined"],
    );
    assert!(
        joined.contains("seqft") && joined.contains("osft weights core 0.8"),
        "{joined}"
    );
    let picture = fs::read_to_string(folder.path().join("joined/matrix.svg")).unwrap();
    assert!(picture.contains("<svg") && picture.contains("seqft"));
}

#[test]
fn tuning_uses_validation_rows_and_prints_settings() {
    let folder = scratch();
    let tune = [
        "--tune",
        "--method",
        "osft",
        "--set",
        "tune_grid=[1e-3, 1e-2]",
        "--out",
        "tune",
    ];
    let shown = run(folder.path(), &tune);
    assert!(
        shown.contains("validation rows") && shown.contains("[learning_rates]"),
        "{shown}"
    );
    assert!(shown.contains("osft = "), "{shown}");
    assert!(folder.path().join("tune/report.md").is_file());
    // A search that was stopped goes on: what is there is not run again.
    let result = "result-osft-inputs-core-energy-0.95-outputs-within-0.015-lr1e-2-*-seed0.json";
    let result = only(&folder.path().join("tune"), result);
    fs::remove_file(&result).unwrap();
    let again = run(folder.path(), &tune);
    assert!(again.contains("2 runs: 1 ended, 1 to do"), "{again}");
    let table = |text: &str| text[text.find('┌').unwrap()..].to_string();
    assert_eq!(table(&again), table(&shown));
    assert!(result.is_file());
}

#[test]
fn a_model_pretrained_here_can_be_used_and_exported_layouts_match() {
    let folder = scratch();
    let small = [
        "pretrain",
        "--out",
        "base",
        "--documents",
        "200",
        "--hidden",
        "32",
        "--layers",
        "1",
        "--vocabulary",
        "400",
    ];
    succeed(folder.path(), &small);
    for file in [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
    ] {
        assert!(folder.path().join("base").join(file).is_file(), "no {file}");
    }
    let shown = run(
        folder.path(),
        &[
            "--model",
            "base",
            "--method",
            "osft",
            "--set",
            "calibration.base_rows=8",
            "--out",
            "run",
        ],
    );
    assert!(shown.contains("on base:"), "{shown}");
}

#[test]
fn weights_held_in_bf16_are_reported_apart_and_splits_are_found_again() {
    let folder = scratch();
    let arguments = [
        "--method",
        "osft",
        "--osft-split",
        "weights",
        "--share",
        "0.5",
        "--base-precision",
        "bf16",
        "--split-cache",
        "splits",
    ];
    let splits = || {
        let files = fs::read_dir(folder.path().join("splits")).unwrap();
        let mut names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let name = "osft-weights-core-0.5-bf16-base-*-seed0";
    let mut seen = Vec::new();
    for out in ["first", "second"] {
        let shown = run(folder.path(), &[&arguments[..], &["--out", out]].concat());
        assert!(shown.contains("stored"), "{shown}");
        let result = result(&folder.path().join(out), &format!("result-{name}.json"));
        let leak = |name: &str| figure(&result, name);
        // What trains stays inside; what bf16 cannot hold of it goes everywhere.
        assert!(
            leak("leak in") < 1e-5 && leak("stored leak in") > 1e-4,
            "{result}"
        );
        let csv = fs::read_to_string(only(
            &folder.path().join(out),
            &format!("layers-{name}.csv"),
        ));
        assert!(csv.unwrap().contains("stored_leak_in"));
        seen.push((result["scores"].clone(), splits()));
    }
    assert_eq!(seen[0].1.len(), 2, "a split per task");
    assert_eq!(seen[0], seen[1]);

    let cases = [
        (
            ["--backend", "ndarray"],
            "which this backend does not fully support",
        ),
        (
            ["--osft-form", "factored"],
            "cannot hold the weights in bf16",
        ),
    ];
    for (more, words) in cases {
        let all = [&SMALL[..], &arguments, &more, &["--out", "third"]].concat();
        let error = fail(folder.path(), &all);
        assert!(error.contains(words), "{error}");
        assert!(!folder.path().join("third").exists(), "{error}");
    }
}
