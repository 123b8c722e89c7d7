//! Tasks after the first: the third protects the first two, and what a run wrote is taken for the next one with care.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{jsonl, model, osft, rows, run, said, succeed, text};

const SMALL: [&str; 3] = [
    "calibration.base_rows=8",
    "calibration.base_tokens=8",
    "calibration.rows_per_task=8",
];

fn finetune<'a>(model: &'a str, data: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["finetune", "--model", model, "--data", data, "--out", out];
    arguments.extend(["--max-length", "96", "--questions", "0", "--valid", "none"]);
    arguments.extend(["--effective-batch", "4"]);
    for setting in SMALL {
        arguments.extend(["--set", setting]);
    }
    arguments.extend(more);
    arguments
}

fn state(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("osft/state.json")).unwrap()).unwrap()
}

fn names(state: &Value) -> Vec<&str> {
    let tasks = state["tasks"].as_array().unwrap().iter();
    tasks.map(|task| task["name"].as_str().unwrap()).collect()
}

/// The recorded files are those that are there.
fn check_files(folder: &Path) {
    let state = state(folder);
    let mut recorded: Vec<String> = (state["method_files"].as_object().unwrap().keys())
        .cloned()
        .collect();
    let there = std::fs::read_dir(folder.join("osft/method")).unwrap();
    let mut there: Vec<String> = there
        .map(|file| file.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    recorded.sort();
    there.sort();
    assert_eq!(recorded, there);
}

#[test]
fn every_method_that_carries_something_learns_a_third_task() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let data = ["tone", "choice", "sums"].map(|task| {
        let name = format!("{task}.jsonl");
        jsonl(folder.path(), &name, &rows(task, "train", 12))
    });
    for method in ["osft", "replay", "ewc", "gpm", "inc-lora", "seq-svd"] {
        let mut from = text(&model());
        for (number, data) in data.iter().enumerate() {
            let out = at(&format!("{method}-{number}"));
            let to = text(&out);
            let more = ["--method", method, "--epochs", "1"];
            succeed(&finetune(&from, data, &to, &more));
            check_files(&out);
            from = to;
        }
        let state = state(Path::new(&from));
        assert_eq!(names(&state), ["tone", "choice", "sums"], "{method}");
    }
}

#[test]
fn what_the_first_task_decided_holds_for_the_second() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let data = jsonl(folder.path(), "rows.jsonl", &rows("tone", "train", 8));
    let (base, out) = (text(&model()), text(&at("out")));
    for (method, first, second, words) in [
        (
            "osft",
            "methods.osft.combine=union",
            "methods.osft.combine=mean",
            "union",
        ),
        (
            "lora",
            "methods.lora.targets=['(k|v)_proj.weight$']",
            "methods.lora.targets=['(q|o)_proj.weight$']",
            "it is of other targets",
        ),
        (
            "osft",
            "methods.osft.targets=['(k|v)_proj.weight$']",
            "methods.osft.targets=['v_proj.weight$']",
            "for other targets",
        ),
        (
            "ewc",
            "methods.ewc.rows=4",
            "methods.ewc.protect_base=true",
            "without it",
        ),
        (
            "gpm",
            "methods.gpm.protect_base=true",
            "methods.gpm.protect_base=false",
            "with it",
        ),
    ] {
        let taught = text(&at(&format!("{words} {method}")));
        let common = ["--method", method, "--epochs", "1", "--set"];
        let with = |setting| [&common[..], &[setting]].concat();
        succeed(&finetune(&base, &data, &taught, &with(first)));
        // Another setting is refused before anything is learned, not after.
        let output = run(&finetune(&taught, &data, &out, &with(second)));
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains(words), "{words}: {}", said(&output));
        assert!(!at("out").exists() && !at("out.running").exists());
        // Without one it is that of the first task.
        let next = text(&at(&format!("{words} {method} again")));
        succeed(&finetune(&taught, &data, &next, &common[..4]));
        assert_eq!(names(&state(Path::new(&next))).len(), 2);
    }
}

#[test]
fn a_stopped_task_whose_name_was_taken_goes_on_by_the_same_command() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let data = jsonl(folder.path(), "rows.jsonl", &rows("tone", "train", 32));
    let (base, first, second) = (text(&model()), text(&at("first")), text(&at("second")));
    succeed(&finetune(
        &base,
        &data,
        &first,
        &["--task", "ferry", "--epochs", "1"],
    ));

    // With settings that another run wrote, whose task and rate are not those of this one.
    let config = text(&at("first/osft/config.toml"));
    let more = [
        "--task",
        "ferry",
        "--epochs",
        "6",
        "--save-every",
        "1",
        "--config",
        &config,
    ];
    stopped_and_resumed(&finetune(&first, &data, &second, &more), &at("second"));
    assert_eq!(names(&state(&at("second"))), ["ferry", "ferry-2"]);
}

#[test]
fn a_stopped_task_with_the_settings_of_another_run_goes_on_by_the_same_command() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let data = jsonl(folder.path(), "rows.jsonl", &rows("tone", "train", 32));
    let other = jsonl(folder.path(), "other.jsonl", &rows("choice", "train", 8));
    let (base, first, second) = (text(&model()), text(&at("first")), text(&at("second")));
    succeed(&finetune(&base, &other, &first, &["--epochs", "1"]));
    let path = at("first/osft/config.toml");
    let yesterday = std::fs::read_to_string(&path).unwrap();
    let line = yesterday
        .lines()
        .find(|line| line.starts_with("today"))
        .unwrap();
    std::fs::write(&path, yesterday.replace(line, "today = \"2020-02-02\"")).unwrap();
    let config = text(&path);
    let more = [
        "--config",
        &config,
        "--method",
        "lora",
        "--epochs",
        "6",
        "--save-every",
        "1",
    ];
    stopped_and_resumed(&finetune(&base, &data, &second, &more), &at("second"));
    assert_eq!(names(&state(&at("second"))), ["rows"]);
    assert_eq!(state(&at("second"))["tasks"][0]["learning_rate"], 3e-3);
}

/// Kills a run after three steps, and goes on with it.
fn stopped_and_resumed(arguments: &[&str], out: &Path) {
    let mut stopped = osft();
    stopped.args(arguments);
    stopped.stdout(Stdio::null()).stderr(Stdio::null());
    let mut stopped = stopped.spawn().unwrap();
    let log = out.with_extension("running").join("metrics.jsonl");
    let started = Instant::now();
    let steps = || {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        log.lines().filter(|line| line.contains("\"loss\"")).count()
    };
    while steps() < 3 && started.elapsed() < Duration::from_secs(120) {
        assert!(
            stopped.try_wait().unwrap().is_none(),
            "it was over too soon"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    stopped.kill().unwrap();
    stopped.wait().unwrap();

    succeed(&[arguments, &["--resume"]].concat());
}

#[test]
fn settings_that_a_run_wrote_give_neither_its_name_nor_rates_that_it_did_not_choose() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let first = jsonl(folder.path(), "first.jsonl", &rows("tone", "train", 8));
    let second = jsonl(folder.path(), "second.jsonl", &rows("choice", "train", 8));
    let (base, out, other) = (text(&model()), text(&at("out")), text(&at("other")));
    let own = ["--epochs", "1", "--lr", "2e-3"];
    succeed(&finetune(&base, &first, &out, &own));
    let config = text(&at("out/osft/config.toml"));
    let same = text(&at("same"));
    let more = ["--epochs", "1", "--config", &config];
    succeed(&finetune(&base, &second, &same, &more));
    let task = |folder: &str| state(&at(folder))["tasks"][0].clone();
    // The rate that was chosen is kept, the name is that of the file.
    assert_eq!(task("same")["learning_rate"], 2e-3);
    assert_eq!(task("same")["name"], "second");
    let more = ["--epochs", "1", "--config", &config, "--method", "lora"];
    succeed(&finetune(&base, &second, &other, &more));
    // That of another method follows from the size of the model.
    assert_eq!(task("other")["learning_rate"], 3e-3);
}

#[test]
fn what_would_have_no_effect_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let data = jsonl(folder.path(), "rows.jsonl", &rows("tone", "train", 8));
    let wiki = at("wiki.txt");
    std::fs::write(&wiki, "A text that stands for what is known.\n").unwrap();
    let (base, taught, out) = (text(&model()), text(&at("taught")), text(&at("out")));
    succeed(&finetune(&base, &data, &taught, &["--epochs", "1"]));
    let wiki = text(&wiki);
    let cases: [(&str, &[&str], &str); 5] = [
        (&base, &["--set", "max_length=10000"], "positions"),
        (
            &base,
            &["--set", "limit_train=4"],
            "limit_train has no effect",
        ),
        (&base, &["--set", "scoring=final"], "scoring has no effect"),
        (
            &base,
            &["--set", "decoding.temperature=0.5"],
            "decoding has no effect",
        ),
        (
            &taught,
            &["--calibration-text", &wiki],
            "has learned tasks before",
        ),
    ];
    for (model, more, expected) in cases {
        let mut arguments = finetune(model, &data, &out, more);
        // What is typed for the length counts before what is set.
        if more[1].starts_with("max_length") {
            arguments.retain(|argument| !["--max-length", "96"].contains(argument));
        }
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(1), "{more:?}: {}", said(&output));
        assert!(
            said(&output).contains(expected),
            "{more:?}: {}",
            said(&output)
        );
        assert!(!at("out").exists() && !at("out.running").exists());
    }
}
