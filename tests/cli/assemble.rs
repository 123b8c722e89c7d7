//! A suite that is made of tasks of other suites.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::{fail, repository, scratch, succeed};

const RECIPE: &str = r#"
name = "two tasks"
max_tokens = 100
before_answer = " "
orders = [["tone", "TASK"], ["TASK", "tone"]]

[rows]
train = 20
validation = 4
test = 8

[[tasks]]
name = "tone"
from = "builtin"

[[tasks]]
name = "TASK"
from = "miniature"
epochs = 2
max_new_tokens = 6
rows = { train = 12, validation = 3, test = 5 }
"#;

/// The arguments, without `--out`.
fn arguments<'a>(builtin: &'a str, miniature: &'a str, model: &'a str) -> Vec<&'a str> {
    vec![
        "datasets",
        "assemble",
        "recipe.toml",
        "--from",
        builtin,
        "--from",
        miniature,
        "--model",
        model,
    ]
}

fn rows(path: &Path) -> Vec<Value> {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_suite_of_tasks_of_others_is_run_like_any_other_and_can_be_frozen() {
    let folder = scratch();
    let root = folder.path();
    let data = repository().join("datasets/builtin");
    let [builtin, miniature] = [("builtin", "suite"), ("miniature", "t5-suite")]
        .map(|(name, suite)| format!("{name}={}", data.join(suite).display()));
    let model = data.join("model").display().to_string();
    let arguments = arguments(&builtin, &miniature, &model);
    let run = |out: &str, more: &[&str]| {
        let all: Vec<&str> = [&arguments, more, &["--out", out]].concat();
        succeed(root, &all)
    };
    let wrong = |more: &[&str]| {
        let all: Vec<&str> = [&arguments, more, &["--out", "wrong"]].concat();
        let error = fail(root, &all);
        assert!(!root.join("wrong").exists(), "{error}");
        error
    };
    let recipe = RECIPE.replace("TASK", "causes");
    fs::write(root.join("recipe.toml"), &recipe).unwrap();
    let told = run("first", &[]);
    assert!(told.contains("tone: 20 of"), "{told}");
    assert!(
        told.contains("train rows with at most 100 tokens"),
        "{told}"
    );
    for (file, count) in [
        ("tone/train.json", 20),
        ("tone/test.json", 8),
        ("causes/train.json", 12),
        ("causes/eval.json", 3),
    ] {
        let rows = rows(&root.join("first").join(file));
        assert_eq!(rows.len(), count, "{file}");
        for row in rows {
            assert!(row["answer"].as_str().unwrap().starts_with(' '), "{row}");
        }
    }
    succeed(root, &["datasets", "verify", "first"]);
    let checked = succeed(root, &["datasets", "check", "first", "--strict"]);
    assert!(checked.contains("two tasks: 2 tasks"), "{checked}");

    // The same again, with the hashes of the first.
    run("second", &["--expect", "first/SHA256SUMS"]);
    let sums = |name: &str| fs::read_to_string(root.join(name).join("SHA256SUMS")).unwrap();
    assert_eq!(sums("first"), sums("second"));
    fs::write(
        root.join("recipe.toml"),
        recipe.replace("test = 8", "test = 7"),
    )
    .unwrap();
    let error = wrong(&["--expect", "first/SHA256SUMS"]);
    assert!(error.contains("tone/test.json"), "{error}");

    // It is a suite like any other.
    let shown = succeed(
        root,
        &[
            "validate", "--data", "first", "--order", "2", "--method", "seqft",
        ],
    );
    assert!(shown.contains("12 training rows, 2 epochs"), "{shown}");
    assert!(!shown.contains("do not fit"), "{shown}");
}

#[test]
fn a_recipe_that_cannot_be_followed_is_refused() {
    let folder = scratch();
    let root = folder.path();
    let data = repository().join("datasets/builtin");
    let [builtin, miniature] = [("builtin", "suite"), ("miniature", "t5-suite")]
        .map(|(name, suite)| format!("{name}={}", data.join(suite).display()));
    let model = data.join("model").display().to_string();
    let recipe = RECIPE.replace("TASK", "causes");
    let refused = |recipe: &str| {
        fs::write(root.join("recipe.toml"), recipe).unwrap();
        let arguments = arguments(&builtin, &miniature, &model);
        let error = fail(root, &[&arguments[..], &["--out", "wrong"]].concat());
        assert!(!root.join("wrong").exists(), "{error}");
        error
    };
    for (from, to, words) in [
        ("max_tokens = 100", "max_tokens = 3", "raise max_tokens"),
        ("train = 20", "train = 100000", "100000 are wanted"),
        (
            "from = \"builtin\"",
            "from = \"other\"",
            "those that are given: builtin, miniature",
        ),
        ("name = \"tone\"", "name = \"tune\"", "no task \"tune\""),
        ("[\"tone\", \"causes\"]", "[\"tone\", \"bands\"]", "bands"),
        ("epochs", "epoch", "line 19"),
        (
            "name = \"tone\"\nfrom = \"builtin\"",
            "name = \"causes\"\nfrom = \"miniature\"",
            "twice",
        ),
    ] {
        assert!(recipe.contains(from), "{from}");
        let error = refused(&recipe.replacen(from, to, 1));
        assert!(error.contains(words), "{to}: {error}");
    }
}
