//! Results that are not the same are never taken for one another.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::{experiments, fail, only, repository, scratch, succeed, write_plan};

/// A run of two small tasks, to be completed.
const SMALL: [&str; 11] = [
    "--order",
    "stance,sums",
    "--limit-test",
    "4",
    "--epochs",
    "1",
    "--set",
    "calibration.base_rows=8",
    "--set",
    "scoring=final",
    "--out",
];

fn trace(folder: &Path, out: &str, more: &[&str]) -> String {
    succeed(folder, &[&["trace"], &SMALL[..], &[out], more].concat())
}

/// Names of the results in a folder.
fn results(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("result-")).collect();
    names.sort();
    names
}

#[test]
fn two_variants_of_one_name_are_two_rows() {
    let folder = scratch();
    let variants = [
        "--method",
        "osft-paper,osft",
        "--osft-split",
        "weights",
        "--share",
        "0.5",
        "--limit-train",
        "16",
    ];
    let shown = trace(
        folder.path(),
        "run",
        &[&variants[..], &["--set", "methods.osft.others=\"trained\""]].concat(),
    );
    for row in [
        "osft weights core 0.5 (osft-paper)",
        "osft weights core 0.5 (osft)",
    ] {
        assert!(shown.contains(row), "no {row} in {shown}");
    }
    assert!(!shown.contains('±'), "{shown}");
    let run = folder.path().join("run");
    let found = results(&run);
    assert_eq!(found.len(), 2, "{found:?}");
    let read = |name: &String| -> Value {
        serde_json::from_str(&fs::read_to_string(run.join(name)).unwrap()).unwrap()
    };
    let trainable: Vec<u64> = found
        .iter()
        .map(|name| read(name)["trainable_parameters"].as_u64().unwrap())
        .collect();
    assert_ne!(
        trainable[0], trainable[1],
        "one of them trains the embeddings too"
    );
    // Either is a training of its own, in the log too.
    let log = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    for row in ["(osft-paper)", "(osft)"] {
        let steps = log
            .lines()
            .filter(|line| line.contains("\"step\"") && line.contains(row));
        assert_eq!(steps.count(), 2, "{row}");
    }

    let t5 = [
        "t5",
        "--order",
        "press",
        "--limit-test",
        "4",
        "--epochs",
        "1",
        "--out",
        "t5",
    ];
    let few = ["--set", "calibration.base_rows=8"];
    let shown = succeed(folder.path(), &[&t5[..], &few[..], &variants[..]].concat());
    assert!(
        shown.contains("(osft-paper)") && shown.contains("(osft)"),
        "{shown}"
    );
    assert!(!shown.contains('±'), "{shown}");
    assert_eq!(results(&folder.path().join("t5")).len(), 2);
}

#[test]
fn a_study_keeps_variants_of_one_name_apart() {
    let folder = scratch();
    let variants = r#"
        [[variants]]
        method = "osft"
        settings = { split = "weights", protected_share = { fixed = 0.5 } }
        [[variants]]
        method = "osft"
        settings = { split = "weights", protected_share = { fixed = 0.5 }, others = "trained" }
    "#;
    write_plan(folder.path(), "validation", variants);
    let run = ["study", "run", "plan.toml", "--out", "study"];
    assert!(succeed(folder.path(), &run).contains("2 of 2 runs to do here"));
    assert!(succeed(folder.path(), &run).contains("\n0 of 2 runs to do here"));
    assert_eq!(results(&folder.path().join("study")).len(), 2);
    let report = ["study", "report", "plan.toml", "--out", "study"];
    let shown = succeed(folder.path(), &report);
    for row in ["(others = frozen)", "(others = trained)"] {
        assert!(shown.contains(row), "no {row} in {shown}");
    }
}

#[test]
fn a_study_whose_rows_have_changed_shows_them_apart() {
    let folder = scratch();
    let variants = "[[variants]]\nmethod = \"seqft\"";
    let run = ["study", "run", "plan.toml", "--out", "study"];
    let report = ["study", "report", "plan.toml", "--out", "study"];
    for (rows, marks) in [("validation", 0), ("test", 2)] {
        write_plan(folder.path(), rows, variants);
        assert!(succeed(folder.path(), &run).contains("1 of 1 runs to do here"));
        let shown = succeed(folder.path(), &report);
        assert_eq!(shown.matches("seqft (rows ").count(), marks, "{shown}");
    }
    // A rate that the plan no longer names is not shown, and that is said.
    let plan = folder.path().join("plan.toml");
    let other = fs::read_to_string(&plan).unwrap().replace("1e-3", "2e-3");
    fs::write(&plan, other).unwrap();
    let output = experiments(folder.path()).args(report).output().unwrap();
    let warning = String::from_utf8(output.stderr).unwrap();
    assert!(warning.contains("2 of 2 runs in study"), "{warning}");
}

#[test]
fn runs_of_other_sizes_are_no_seeds_of_each_other() {
    let folder = scratch();
    let seqft = ["--method", "seqft", "--limit-train"];
    for (out, rows, seed) in [("a", "16", "0"), ("b", "64", "0"), ("c", "16", "1")] {
        trace(
            folder.path(),
            out,
            &[&seqft[..], &[rows, "--seeds", seed]].concat(),
        );
    }
    let shown = succeed(folder.path(), &["report", "a", "b"]);
    for row in ["seqft (limit_train = 16)", "seqft (limit_train = 64)"] {
        assert!(shown.contains(row), "no {row} in {shown}");
    }
    assert!(!shown.contains('±'), "{shown}");
    // Seeds of one run are one row, and one of them counts once.
    let shown = succeed(folder.path(), &["report", "a", "c"]);
    assert!(
        shown.contains('±') && !shown.contains("limit_train"),
        "{shown}"
    );
    let error = fail(folder.path(), &["report", "a", "a"]);
    assert!(
        error.contains("seqft with seed 0 appears twice, in a and in a"),
        "{error}"
    );

    // Another revision of the program may count otherwise.
    let file = only(&folder.path().join("c"), "result-seqft-*-seed1.json");
    let mut result: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    result["revision"] = json!("0123abc");
    fs::write(&file, result.to_string()).unwrap();
    let output = experiments(folder.path())
        .args(["report", "a", "c", "--out", "joined"])
        .output()
        .unwrap();
    let warning = String::from_utf8(output.stderr).unwrap();
    assert!(
        warning.contains("Several revisions") && warning.contains("0123abc"),
        "{warning}"
    );
    let page = fs::read_to_string(folder.path().join("joined/report.md")).unwrap();
    assert!(page.contains("Several revisions"), "{page}");
}

/// What is done to a model's folder, and what an error must name.
type Change<'a> = (&'a dyn Fn(&Path), &'a str);

#[test]
fn a_run_is_not_continued_from_another_model() {
    let folder = scratch();
    let source = repository().join("datasets/builtin/model");
    let model = folder.path().join("model");
    let restore = || {
        let _ = fs::remove_dir_all(&model);
        fs::create_dir(&model).unwrap();
        for entry in fs::read_dir(&source).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, model.join(path.file_name().unwrap())).unwrap();
        }
    };
    restore();
    let suite = repository().join("datasets/builtin/suite");
    let suite = suite.to_string_lossy();
    let arguments = ["--model", "model", "--data", &*suite, "--method", "seqft"];
    let more = ["--limit-train", "8", "--max-length", "128"];
    trace(folder.path(), "run", &[&arguments[..], &more].concat());
    let result = only(&folder.path().join("run"), "result-seqft-*-seed0.json");
    let config = |key: &'static str| {
        move |model: &Path| {
            let path = model.join("config.json");
            let text = fs::read_to_string(&path).unwrap();
            let mut json: Value = serde_json::from_str(&text).unwrap();
            json[key] = json!(0.25);
            fs::write(path, json.to_string()).unwrap();
        }
    };
    let bytes = |name: &'static str| {
        move |model: &Path| {
            let path = model.join(name);
            let mut bytes = fs::read(&path).unwrap();
            // In the weights the lowest bits of the last number, in the tokenizer white space.
            match name.ends_with("json") {
                true => bytes.push(b'\n'),
                false => {
                    let place = bytes.len() - 4;
                    bytes[place] ^= 1;
                }
            }
            fs::write(path, bytes).unwrap();
        }
    };
    let (theta, epsilon) = (config("rope_theta"), config("rms_norm_eps"));
    let (weights, tokenizer) = (bytes("model.safetensors"), bytes("tokenizer.json"));
    let cases: [Change<'_>; 4] = [
        (&theta, "the model's config.json (was "),
        (&epsilon, "the model's config.json (was "),
        (&weights, "the model's weights (was "),
        (&tokenizer, "the tokenizer (was "),
    ];
    for (change, words) in cases {
        restore();
        change(&model);
        let error = fail(folder.path(), &["trace", "--resume", "run"]);
        assert!(
            error.contains("run cannot be continued") && error.contains(words),
            "{words}: {error}"
        );
        assert!(result.is_file());
    }
    restore();
    succeed(folder.path(), &["trace", "--resume", "run"]);

    // A run that recorded nothing of what it reads cannot be compared.
    let manifest = folder.path().join("run/run.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let mut json: Value = serde_json::from_str(&text).unwrap();
    json.as_object_mut().unwrap().remove("contents");
    fs::write(&manifest, json.to_string()).unwrap();
    let error = fail(folder.path(), &["trace", "--resume", "run"]);
    assert!(error.contains("earlier version of this program"), "{error}");
    fs::write(&manifest, text).unwrap();
    // Nor is a run whose settings were edited the run that was started.
    let settings = folder.path().join("run/config.toml");
    let text = fs::read_to_string(&settings).unwrap();
    let edited = text.replacen("max_gradient_norm = 1.0", "max_gradient_norm = 2.0", 1);
    assert_ne!(edited, text);
    fs::write(&settings, edited).unwrap();
    let error = fail(folder.path(), &["trace", "--resume", "run"]);
    assert!(error.contains("config.toml has changed"), "{error}");
    fs::write(&settings, text).unwrap();
    // A result that was put in the place of another one is no result of this run.
    let own = fs::read_to_string(&result).unwrap();
    let mut json: Value = serde_json::from_str(&own).unwrap();
    json["identity"]["key"] = json!("0000");
    fs::write(&result, json.to_string()).unwrap();
    let error = fail(folder.path(), &["trace", "--resume", "run"]);
    assert!(error.contains("the result of another run"), "{error}");
    fs::write(&result, own).unwrap();

    // Another revision of the program reports anew what has ended, and says of what goes on that it did.
    let mut json: Value = serde_json::from_str(&fs::read_to_string(&manifest).unwrap()).unwrap();
    json["revision"] = json!("0123abc");
    fs::write(&manifest, json.to_string()).unwrap();
    let resumed = || {
        let mut command = experiments(folder.path());
        let output = command.args(["trace", "--resume", "run"]).output().unwrap();
        let warning = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{warning}");
        let page = fs::read_to_string(folder.path().join("run/report.md")).unwrap();
        [
            warning.contains("warning: the run was started by revision 0123abc"),
            page.contains("It was continued by revision `"),
            page.contains("stopped and continued once"),
        ]
    };
    assert_eq!(resumed(), [false; 3]);
    fs::remove_file(&result).unwrap();
    assert_eq!(resumed(), [true; 3]);
}
