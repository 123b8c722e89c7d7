//! `osft evaluate`, suites around a training, and models by name.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::{model, osft, said};

/// The program with caches of this test's own, and without the network.
fn alone(folder: &Path, arguments: &[&str]) -> Output {
    osft()
        .args(arguments)
        .current_dir(folder)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env("HF_HOME", folder.join("hub"))
        .env("HF_HUB_OFFLINE", "1")
        .output()
        .unwrap()
}

fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let output = alone(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn fail(folder: &Path, arguments: &[&str]) -> String {
    let output = alone(folder, arguments);
    assert!(!output.status.success(), "{arguments:?}: {}", said(&output));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors.trim_end().lines().count(), 1, "{errors}");
    errors
}

/// Files of one's own, and the files of two suites, with rows that are made up.
fn files(folder: &Path) {
    let texts = "Tom has a red book. Ann has a blue book.\nThe cat sat on the mat.\nAnn runs to the house.\n";
    fs::write(folder.join("texts.txt"), texts).unwrap();
    let rows = [
        json!({"prompt": "The cat sat on", "choices": [" the mat", " a cloud of red books"], "answer": 0}),
        json!({"prompt": "Tom has", "choices": [" the the", " a red book"], "answer": 1}),
    ];
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    fs::write(folder.join("choices.jsonl"), lines).unwrap();
    let general = folder.join("general");
    fs::create_dir(&general).unwrap();
    fs::write(general.join("wiki.txt"), texts).unwrap();
    let piqa: String = (0..3)
        .map(|at| json!({"goal": "To read", "sol1": "open the book.", "sol2": "eat it.", "label": at % 2}))
        .map(|row| format!("{row}\n"))
        .collect();
    fs::write(general.join("piqa.jsonl"), piqa).unwrap();
}

fn scores(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("scores.json")).unwrap()).unwrap()
}

#[test]
fn a_model_is_measured_once_and_compared_in_pairs() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    files(folder);
    let model = model().to_string_lossy().into_owned();
    let asked = [
        "evaluate",
        "--model",
        &model,
        "--suite",
        "auto,texts.txt,choices.jsonl",
    ];
    let shown = succeed(folder, &[&asked[..], &["--out", "alone"]].concat());
    for word in ["loss", "piqa", "texts", "choices", "lm-eval"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    let kept = || {
        fs::read_dir(folder.join("cache/osft/evaluations"))
            .unwrap()
            .count()
    };
    assert_eq!(kept(), 4);
    // The same model before and after: no row changes, and nothing is asked again.
    let compared = [&asked[..], &["--before", &model, "--out", "compared"]].concat();
    let shown = succeed(folder, &compared);
    assert!(shown.contains("0 / 0 / 3"), "{shown}");
    assert_eq!(kept(), 4);
    let (alone, compared) = (
        scores(&folder.join("alone")),
        scores(&folder.join("compared")),
    );
    assert_eq!(alone["after"], compared["after"], "kept with their seconds");
    assert_eq!(compared["before"], compared["after"]);
    // The texts are the same as those of the suite: so is their loss.
    let loss = |at: usize| {
        compared["after"][at]["score"]["measures"][0]["mean"]
            .as_f64()
            .unwrap()
    };
    let by_name = |name: &str| {
        let all = compared["after"].as_array().unwrap();
        all.iter()
            .position(|of| of["score"]["suite"] == name)
            .unwrap()
    };
    assert_eq!(loss(by_name("loss")), loss(by_name("texts")));
    assert!(loss(by_name("loss")) > 0.5);
    let page = fs::read_to_string(folder.join("compared/report.md")).unwrap();
    assert!(
        page.contains("McNemar") && page.contains("osft evaluate"),
        "{page}"
    );
}

#[test]
fn suites_stand_around_a_training() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    files(folder);
    let rows: String = crate::rows("stance", "train", 24)
        .iter()
        .map(|row| format!("{row}\n"))
        .collect();
    fs::write(folder.join("rows.jsonl"), rows).unwrap();
    let model = model().to_string_lossy().into_owned();
    let shown = succeed(
        folder,
        &[
            "finetune",
            "--model",
            &model,
            "--data",
            "rows.jsonl",
            "--epochs",
            "1",
            "--questions",
            "0",
            "--general",
            "auto,choices.jsonl",
            "--out",
            "taught",
        ],
    );
    assert!(shown.contains("piqa"), "{shown}");
    let card = fs::read_to_string(folder.join("taught/README.md")).unwrap();
    assert!(
        card.contains("## General ability") && card.contains("choices"),
        "{card}"
    );
    let general: Value =
        serde_json::from_slice(&fs::read(folder.join("taught/osft/general.json")).unwrap())
            .unwrap();
    let value = |when: &str| {
        let all = general[when].as_array().unwrap();
        let loss = all
            .iter()
            .find(|of| of["score"]["suite"] == "loss")
            .unwrap();
        loss["score"]["measures"][0]["mean"].as_f64().unwrap()
    };
    assert_ne!(
        value("before"),
        value("after"),
        "training moves the loss of every text"
    );
    // The same by hand.
    succeed(
        folder,
        &[
            "evaluate",
            "--model",
            "taught",
            "--before",
            &model,
            "--suite",
            "auto,choices.jsonl",
            "--out",
            "again",
        ],
    );
    let again = scores(&folder.join("again"));
    for (at, expected) in general["after"].as_array().unwrap().iter().enumerate() {
        let found = &again["after"][at]["score"]["measures"][0]["mean"];
        let (found, expected) = (
            found.as_f64(),
            expected["score"]["measures"][0]["mean"].as_f64(),
        );
        // The trained model was written and read again, in f32.
        assert!(
            (found.unwrap() - expected.unwrap()).abs() < 1e-5,
            "{found:?} {expected:?}"
        );
    }
}

#[test]
fn what_cannot_be_measured_or_found_is_one_line() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    files(folder);
    let model = model().to_string_lossy().into_owned();
    let evaluate = |more: &[&str]| fail(folder, &[&["evaluate", "--model", &model], more].concat());
    for (more, words) in [
        (&["--suite", "mmlux"][..], &["mmlux", "mmlu"][..]),
        (&["--suite", "mmlu"], &["mmlu.jsonl"]),
        (
            &["--suite", "auto", "--data", "nowhere"],
            &["nowhere", "docs/evaluate.md"],
        ),
        (&["--suite", "tydiqa"], &["tydiqa", "trace"]),
        (&["--suite", "texts.txt,texts.txt"], &["texts", "twice"]),
        (&["--suite", "missing.jsonl"], &["missing.jsonl"]),
    ] {
        let error = evaluate(more);
        for word in words {
            assert!(error.contains(word), "{more:?}: {error}");
        }
    }
    fs::write(
        folder.join("bad.jsonl"),
        "{\"prompt\": \"a\", \"answer\": \"b\"}\n{\"prompt\": 3}\n",
    )
    .unwrap();
    let error = evaluate(&["--suite", "bad.jsonl"]);
    assert!(
        error.contains("bad.jsonl") && error.contains('2'),
        "{error}"
    );
}

#[test]
fn a_model_that_is_not_here_is_looked_up_and_the_network_is_not_asked_offline() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    files(folder);
    for command in [
        &["generate", "--model", "org/name", "--prompt", "Hello"][..],
        &["evaluate", "--model", "org/name", "--suite", "texts.txt"],
        &["fetch", "org/name@main"],
        &["check", "--model", "org/name", "--data", "rows.jsonl"],
    ] {
        let error = fail(folder, command);
        assert!(
            error.contains("HF_HUB_OFFLINE") && error.contains("org/name"),
            "{command:?}: {error}"
        );
    }
    // A path that is none of the hub's names keeps its own error.
    let error = fail(
        folder,
        &["generate", "--model", "no/such/folder", "--prompt", "Hello"],
    );
    assert!(
        error.contains("no/such/folder does not exist") && !error.contains("HF_HUB"),
        "{error}"
    );
    let error = fail(
        folder,
        &["generate", "--model", "texts.txt", "--prompt", "Hello"],
    );
    assert!(error.contains("texts.txt is not a folder"), "{error}");
    fs::write(folder.join("broken.gguf"), "GGUF").unwrap();
    let error = fail(
        folder,
        &["generate", "--model", "broken.gguf", "--prompt", "Hello"],
    );
    assert!(error.contains("broken.gguf"), "{error}");
    let manifest = "[[file]]\npath = \"a.txt\"\nurl = \"http://127.0.0.1:9/a\"\nbytes = 3\nsha256 = \"\
                    ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"\nlicence = \"MIT\"\n";
    fs::write(folder.join("list.toml"), manifest).unwrap();
    let fetch = ["fetch", "--manifest", "list.toml", "--out", "here"];
    let error = fail(folder, &fetch);
    assert!(
        error.contains("HF_HUB_OFFLINE") && error.contains("127.0.0.1"),
        "{error}"
    );
    // What is there and whole needs no network.
    fs::create_dir(folder.join("here")).unwrap();
    fs::write(folder.join("here/a.txt"), "abc").unwrap();
    let shown = succeed(folder, &fetch);
    assert!(shown.contains("0 fetched, 1 there before"), "{shown}");
}
