//! `experiments sweep`: trials on validation rows, one file each, and what is chosen.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::{fail, repository, scratch, succeed};

/// Settings of a small run of two tasks.
pub const SMALL: [&str; 10] = [
    "--order",
    "stance,sums",
    "--limit-train",
    "16",
    "--limit-test",
    "6",
    "--epochs",
    "1",
    "--set",
    "calibration.base_rows=8",
];

pub fn sweep(folder: &Path, more: &[&str]) -> String {
    let arguments = [&["sweep", "--out", "sweep"], &SMALL[..], more].concat();
    succeed(folder, &arguments)
}

/// Names of the files of runs, sorted.
pub fn runs(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let is_run = |name: &String| name.starts_with("result-") || name.starts_with("diverged-");
    let mut names: Vec<String> = names.filter(is_run).collect();
    names.sort();
    names
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_search_keeps_what_it_ran_and_its_choice_is_a_file_of_settings() {
    let folder = scratch();
    let search = [
        "--method",
        "seqft,o-lora",
        "--set",
        "tune_grid=[1e-3, 3e-3]",
    ];
    let shown = sweep(folder.path(), &search);
    assert!(
        shown.contains("4 runs: 0 ended, 4 to do") && shown.contains("unknown until the first"),
        "{shown}"
    );
    let out = folder.path().join("sweep");
    let found = runs(&out);
    assert_eq!(found.len(), 4, "{found:?}");
    for name in &found {
        assert!(json(&out.join(name))["wall_seconds"].as_f64().unwrap() > 0.0);
    }
    let page = fs::read_to_string(out.join("report.md")).unwrap();
    assert!(page.contains("no test row was scored"), "{page}");

    // A second time there is nothing to do, and the files are the same.
    let times = |folder: &Path| -> Vec<_> {
        let names = runs(folder).into_iter();
        names
            .map(|name| folder.join(name).metadata().unwrap().modified().unwrap())
            .collect()
    };
    let before = times(&out);
    let again = sweep(folder.path(), &search);
    assert!(again.contains("4 runs: 4 ended, 0 to do"), "{again}");
    assert_eq!(before, times(&out));

    // The choice is a layer of settings, and its rates count as tuned.
    let tuned = tuned(&out);
    assert!(tuned["learning_rates"]["o-lora"].as_float().is_some());
    let rate = tuned["learning_rates"]["seqft"].as_float().unwrap();
    let run = [
        "trace",
        "--method",
        "seqft",
        "--config",
        "sweep/tuned.toml",
        "--out",
        "run",
    ];
    let shown = succeed(folder.path(), &[&run[..], &SMALL[..]].concat());
    assert!(shown.contains(&format!("{rate:e} tuned")), "{shown}");
}

fn tuned(folder: &Path) -> toml::Table {
    let text = fs::read_to_string(folder.join("tuned.toml")).unwrap();
    text.parse().unwrap()
}

#[test]
fn a_trial_that_diverges_is_a_result_and_cannot_be_chosen() {
    let folder = scratch();
    // A step takes the product of rate and decay from the weights, as a multiple of them: at the first rate all of
    // them, at the second one so much that their squares overflow.
    let search = [
        "--method",
        "seqft",
        "--set",
        "tune_grid=[1e-20, 1]",
        "--set",
        "train.weight_decay=1e20",
    ];
    sweep(folder.path(), &search);
    let out = folder.path().join("sweep");
    let found = runs(&out);
    let diverged = found.iter().filter(|name| name.starts_with("diverged-"));
    let diverged: Vec<&String> = diverged.collect();
    assert_eq!((diverged.len(), found.len()), (1, 2), "{found:?}");
    let record = json(&out.join(diverged[0]));
    let reason = record["reason"].as_str().unwrap();
    assert!(
        reason.contains("the weights are not finite after task"),
        "{reason}"
    );
    let chosen = tuned(&out)["learning_rates"]["seqft"].as_float();
    assert_ne!(chosen, record["learning_rate"].as_f64());
    let page = fs::read_to_string(out.join("report.md")).unwrap();
    assert!(
        page.lines().any(|line| line.contains("| diverged |")),
        "{page}"
    );
    let again = sweep(folder.path(), &search);
    assert!(again.contains("2 runs: 2 ended, 0 to do"), "{again}");
}

#[test]
fn every_method_draws_as_many_trials() {
    let folder = scratch();
    let search = [
        "--method",
        "seqft,lora",
        "--trials",
        "3",
        "--search-seed",
        "4",
    ];
    let shown = sweep(folder.path(), &search);
    assert!(shown.contains("3 draws of seed 4"), "{shown}");
    let found = runs(&folder.path().join("sweep"));
    let of = |method: &str| found.iter().filter(|name| name.starts_with(method)).count();
    assert_eq!(
        (of("result-seqft-"), of("result-lora-")),
        (3, 3),
        "{found:?}"
    );
}

#[test]
fn settings_are_varied_around_their_values_on_the_first_task_alone() {
    let folder = scratch();
    let share = "methods.osft.protected_share.adaptive";
    let around = [format!("{share}.min=0.05"), format!("{share}.max=0.05")];
    let search = [
        "--method",
        "osft",
        "--osft-split",
        "weights",
        "--share",
        "adaptive",
        "--first-task",
        "--around",
        around[0].as_str(),
        "--around",
        around[1].as_str(),
    ];
    sweep(folder.path(), &search);
    let out = folder.path().join("sweep");
    let found = runs(&out);
    assert_eq!(found.len(), 9, "{found:?}");
    let mut pairs = Vec::new();
    for name in &found {
        let result = json(&out.join(name));
        assert_eq!(result["tasks"], serde_json::json!(["stance"]));
        let share = &result["identity"]["settings"]["osft"]["protected_share"]["adaptive"];
        pairs.push([&share["min"], &share["max"]].map(|value| value.as_f64().unwrap()));
    }
    pairs.sort_by(|a, b| a.partial_cmp(b).unwrap());
    let expected = [0.05, 0.1, 0.15].map(|min| [0.75, 0.8, 0.85].map(|max| [min, max]));
    assert_eq!(pairs, expected.concat());
    let tuned = fs::read_to_string(out.join("tuned.toml")).unwrap();
    assert!(
        tuned.contains("[methods.osft.protected_share.adaptive]"),
        "{tuned}"
    );
}

#[test]
fn a_choice_holds_all_settings_that_it_was_made_with() {
    let folder = scratch();
    let search = [
        "--method",
        "osft",
        "--vary",
        "methods.osft.split='weights','both'",
    ];
    sweep(folder.path(), &search);
    let found = runs(&folder.path().join("sweep"));
    let run = [
        "trace",
        "--method",
        "osft",
        "--config",
        "sweep/tuned.toml",
        "--out",
        "run",
    ];
    succeed(folder.path(), &[&run[..], &SMALL[..]].concat());
    // Without the bound that the searched split had beside it, this would be another run.
    let bound = |result: &serde_json::Value| {
        let settings = &result["identity"]["settings"]["osft"];
        settings["max_output_change"].as_f64()
    };
    let searched = json(&folder.path().join("sweep").join(&found[0]));
    let run = folder.path().join("run");
    let run = json(&run.join(&runs(&run)[0]));
    assert!(bound(&searched).is_some());
    assert_eq!(bound(&run), bound(&searched));
}

/// A suite of one task whose validation rows are `rows`; without them if `None`.
fn suite(folder: &Path, rows: Option<&str>) {
    let task = folder.join("suite/one");
    fs::create_dir_all(&task).unwrap();
    let row = |letter: &str| format!(r#"[{{"prompt": "Which? {letter}", "answer": "yes"}}]"#);
    fs::write(task.join("train.json"), row("A")).unwrap();
    fs::write(task.join("test.json"), row("D")).unwrap();
    let validation = task.join("eval.json");
    match rows {
        Some(letter) => fs::write(validation, row(letter)).unwrap(),
        None => drop(fs::remove_file(validation)),
    }
    let suite = r#"{"name": "mine", "tasks": [{"name": "one", "score": "accuracy", "max_new_tokens": 4}],
        "orders": [["one"]]}"#;
    fs::write(folder.join("suite/suite.json"), suite).unwrap();
}

#[test]
fn test_rows_are_no_validation_rows() {
    let folder = scratch();
    let arguments = [
        "sweep", "--data", "suite", "--method", "seqft", "--out", "sweep",
    ];
    let keep = [&arguments[..], &["--set", "flaws=\"keep\""]].concat();
    // The validation rows are those of the test.
    suite(folder.path(), Some("D"));
    let error = fail(folder.path(), &arguments);
    assert!(error.contains("no validation rows"), "{error}");
    let error = fail(folder.path(), &keep);
    assert!(error.contains("have the prompt of a test row"), "{error}");
    suite(folder.path(), None);
    let error = fail(folder.path(), &arguments);
    assert!(error.contains("eval.json"), "{error}");
    assert!(!folder.path().join("sweep").exists());
}

#[test]
fn a_search_that_makes_no_sense_is_refused() {
    let folder = scratch();
    let cases: [(&[&str], &str); 5] = [
        (&["--lr", "1e-3"], "tune_grid"),
        (
            &["--around", "methods.osft.nothing=0.1", "--method", "osft"],
            "no present value",
        ),
        (
            &["--around", "methods.osft.split=x", "--method", "osft"],
            "KEY=STEP",
        ),
        (
            &["--vary", "methods.osft.split='weights'"],
            "one method that is searched",
        ),
        (&["--trials", "0"], "0 trials"),
    ];
    for (more, words) in cases {
        let error = fail(
            folder.path(),
            &[&["sweep", "--out", "sweep"], more].concat(),
        );
        assert!(error.contains(words), "{more:?}: {error}");
    }
    assert!(!folder.path().join("sweep").exists());
}

#[test]
fn the_shipped_rates_count_as_tuned_for_the_built_in_suite() {
    let folder = scratch();
    let run = [
        "trace",
        "--preset",
        "tuned",
        "--method",
        "seqft",
        "--limit-train",
        "8",
    ];
    let more = [
        "--limit-test",
        "4",
        "--order",
        "stance,sums",
        "--out",
        "run",
    ];
    let shown = succeed(folder.path(), &[&run[..], &more[..]].concat());
    assert!(shown.contains("2.91e-4 tuned"), "{shown}");
    let preset = repository().join("crates/benchmarks/settings/tuned.toml");
    let preset: toml::Table = fs::read_to_string(preset).unwrap().parse().unwrap();
    let rates = preset["learning_rates"].as_table().unwrap();
    assert!(
        rates
            .keys()
            .all(|method| preset["tuned"].get(method).is_some())
    );
}
