//! `experiments t5`: the built-in suite in several orders, the released format, and what is missing.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::resume::{findings, start};
use crate::{fail, figure, only, scratch, succeed};

const SMALL: [&str; 15] = [
    "t5",
    "--out",
    "run",
    "--limit-per-class",
    "2",
    "--limit-test",
    "6",
    "--epochs",
    "1",
    "--set",
    "train.global_batch=8",
    "--set",
    "calibration.base_rows=8",
    "--set",
    "calibration.rows_per_task=8",
];

#[test]
fn orders_stand_side_by_side() {
    let folder = scratch();
    let rate = "by_order.3.learning_rates.seqft=2e-3";
    let more = ["--order", "1,3", "--method", "seqft,osft", "--set", rate];
    let shown = succeed(folder.path(), &[&SMALL[..], &more].concat());
    let run = folder.path().join("run");
    for part in ["orders 1,3", "order 1 · seqft", "order 3: AA", "mean: AA"] {
        assert!(shown.contains(part), "no {part} in:\n{shown}");
    }
    let page = fs::read_to_string(run.join("report.md")).unwrap();
    assert!(
        page.contains("By order:") && page.contains("tasks learned"),
        "{page}"
    );
    // A method is one row, also where an order has a rate of its own.
    let (_, by_order) = page.split_once("By order:").unwrap();
    let rows = by_order.trim_start().lines().skip(2);
    let rows: Vec<&str> = rows.take_while(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), 2, "{by_order}");
    assert!(rows.iter().all(|row| !row.contains('–')), "{by_order}");
    for order in ["1", "3"] {
        let file = only(&run, &format!("result-order-{order}-seqft-*-seed0.json"));
        let result: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        assert_eq!(result["order"], order);
    }
    // Two runs of one order each give the same table when they are joined.
    let alone = ["--order", "2", "--method", "seqft"];
    let other = SMALL.map(|word| if word == "run" { "other" } else { word });
    succeed(folder.path(), &[&other[..], &alone].concat());
    let joined = succeed(
        folder.path(),
        &["report", "run", "other", "--out", "joined"],
    );
    assert!(joined.contains("order 2: AA"), "{joined}");
    assert!(folder.path().join("joined/curves.svg").is_file());
}

#[test]
fn every_method_works_on_an_encoder_decoder() {
    let folder = scratch();
    let methods = "seqft,lora,o-lora,per-task,multi-task,osft-paper,osft";
    let more = ["--order", "causes,press", "--method", methods];
    succeed(folder.path(), &[&SMALL[..], &more].concat());
    let page = fs::read_to_string(folder.path().join("run/report.md")).unwrap();
    let names = methods.split(',').take(5);
    for method in names.chain(["osft weights core 0.5", "osft inputs core energy 0.9"]) {
        let row = format!("| {method} ");
        assert!(
            page.lines().any(|line| line.starts_with(&row)),
            "no {row} in:\n{page}"
        );
    }
    let out = folder.path().join("run");
    let file = only(&out, "result-osft-inputs-core-energy-0.9-*-seed0.json");
    let result: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert!(figure(&result, "leak in") < 1e-5);
    let csv = only(&out, "layers-osft-inputs-core-energy-0.9-*-seed0.csv");
    let csv = fs::read_to_string(csv).unwrap();
    for layer in [
        "encoder.block.0.layer.0.SelfAttention.q",
        "decoder.block.1.layer.1.EncDecAttention.k",
    ] {
        assert!(csv.contains(layer), "no {layer}");
    }
}

#[test]
fn a_killed_run_goes_on_to_the_same_findings() {
    let more = [
        "--order",
        "causes,press",
        "--method",
        "osft",
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
    for percent in [35, 75] {
        let killed = scratch();
        let mut child = start(killed.path(), &arguments);
        let begun = Instant::now();
        while logged(killed.path()) < logged(whole.path()) * percent / 100 {
            assert!(begun.elapsed() < Duration::from_secs(120), "{percent} %");
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = child.kill();
        child.wait().unwrap();
        let saved = killed.path().join("run/checkpoints");
        assert!(
            saved.is_dir(),
            "it ended before it was killed at {percent} %"
        );
        succeed(killed.path(), &["t5", "--resume", "run"]);
        let found = findings(&killed.path().join("run"));
        assert_eq!(
            found,
            findings(&whole.path().join("run")),
            "killed at {percent} %"
        );
    }
}

fn write(path: &Path, value: &Value) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, value.to_string()).unwrap();
}

/// A part of the CL benchmark as it is released, with made-up sentences: dev is test, and a row of MNLI
/// has no gold label.
fn released(folder: &Path) {
    let rows = |labels: &[&str], from: usize| -> Value {
        let row = |index: usize| {
            let label = labels[index % labels.len()];
            json!({"label": label, "sentence": format!("sentence 1: a {index}\nsentence 2: b")})
        };
        (from..from + 12).map(row).collect()
    };
    for (task, labels) in [
        ("NLI/MNLI", ["neutral", "entailment", "contradiction"]),
        ("NLI/CB", ["contradiction", "entailment", "neutral"]),
    ] {
        let task = folder.join(task);
        write(&task.join("labels.json"), &json!(labels));
        write(&task.join("train.json"), &rows(&labels, 0));
        let mut test = rows(&labels, 100);
        if task.ends_with("MNLI") {
            test[0]["label"] = json!("-");
        }
        write(&task.join("test.json"), &test);
        write(&task.join("dev.json"), &test);
    }
}

#[test]
fn the_released_format_is_read_as_it_is() {
    let folder = scratch();
    released(&folder.path().join("CL"));
    let checked = succeed(folder.path(), &["datasets", "check", "CL"]);
    for part in [
        "CL benchmark: 15 tasks",
        "COPA: not there",
        "1 of 12 test rows have no gold label",
        "12 of 12 test rows have a prompt that stands in eval, 12 with the same answer",
    ] {
        assert!(checked.contains(part), "no {part} in:\n{checked}");
    }
    let more = ["--data", "CL", "--order", "MNLI,CB", "--method", "seqft"];
    let shown = succeed(folder.path(), &[&SMALL[..], &more].concat());
    for part in [
        "left out 1 of 12 test rows that have no gold label",
        "became validation rows",
    ] {
        assert!(shown.contains(part), "no {part} in:\n{shown}");
    }
    let page = fs::read_to_string(folder.path().join("run/report.md")).unwrap();
    assert!(
        !page.contains("published"),
        "no order of a publication: {page}"
    );

    // With a stored order all of its tasks have to be there.
    let error = fail(
        folder.path(),
        &["t5", "--data", "CL", "--order", "4", "--out", "other"],
    );
    assert!(error.contains("labels.json is missing"), "{error}");
    let labels = folder.path().join("CL/NLI/CB/labels.json");
    write(&labels, &json!(["entailment", "neutral"]));
    let error = fail(
        folder.path(),
        &["t5", "--data", "CL", "--order", "CB", "--out", "other"],
    );
    for word in [
        "NLI/CB",
        "row 0",
        "unknown label \"contradiction\"",
        "entailment, neutral",
    ] {
        assert!(error.contains(word), "no {word}: {error}");
    }
    write(&labels, &json!({"a": 1}));
    let error = fail(
        folder.path(),
        &["t5", "--data", "CL", "--order", "CB", "--out", "other"],
    );
    assert!(
        error.contains("labels.json") && error.contains("array of labels"),
        "{error}"
    );
    assert!(!folder.path().join("other").exists());
}

#[test]
fn what_is_missing_is_explained_on_one_screen() {
    let folder = scratch();
    let arguments = [
        "validate", "--preset", "paper", "t5", "--order", "6", "--model", "t5-large",
    ];
    let mut command = crate::experiments(folder.path());
    let output = command.args(arguments).output().unwrap();
    assert!(!output.status.success());
    let shown = String::from_utf8(output.stdout).unwrap();
    for part in [
        "t5-large is not there",
        "hf download google-t5/t5-large",
        "cmnfriend/O-LoRA",
        "737668096 parameters",
        "osft-paper",
        "learning rate 5e-5",
        "order 6: 15 tasks, 55650 rows",
        "GFLOP/s",
    ] {
        assert!(shown.contains(part), "no {part} in:\n{shown}");
    }
    assert!(shown.lines().count() <= 24, "{shown}");
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(error.trim(), "error: t5-large is missing");
}

#[test]
fn presets_and_families_that_do_not_fit_are_refused() {
    let folder = scratch();
    let cases: [(&[&str], &str); 4] = [
        (&["trace", "--preset", "paper"], "is about `experiments t5`"),
        (
            &["t5", "--preset", "trace-paper"],
            "is about `experiments trace`",
        ),
        (&["t5", "--order", "7"], "there is no order 7"),
        (&["t5", "--order", "press,pres"], "did you mean \"press\""),
    ];
    for (arguments, word) in cases {
        let error = fail(folder.path(), arguments);
        assert!(error.contains(word), "{arguments:?}: {error}");
    }
    for preset in ["o-lora", "paper", "paper-script"] {
        let shown = succeed(
            folder.path(),
            &["validate", "t5", "--preset", preset, "--order", "6"],
        );
        assert!(
            shown.contains("the run can start: experiments t5"),
            "{shown}"
        );
    }
}

#[test]
fn rows_that_lose_a_part_are_told() {
    let folder = scratch();
    let arguments = ["validate", "t5", "--order", "press"];
    let shown = succeed(folder.path(), &arguments);
    for told in ["do not fit", "lose a part", "answers end after"] {
        assert!(!shown.contains(told), "{told:?} in {shown}");
    }
    let short = [&arguments[..], &["--max-length", "24"]].concat();
    let shown = succeed(folder.path(), &short);
    for told in [
        "data: press: 300 of 300 training rows do not fit into max_length = 24 (the longest has ",
        "300 lose a part of the prompt",
        "data: press: 60 of 60 test prompts lose a part: the longest has 77 tokens (max_length = 24, ",
    ] {
        assert!(shown.contains(told), "no {told:?} in {shown}");
    }
}
