//! Base models, pre-trained on the built-in mixture or on a user's own.

use std::fs;

use serde_json::json;

use crate::{fail, scratch, succeed};

#[test]
fn a_small_t5_is_pretrained_and_used() {
    let folder = scratch();
    let lines = [
        json!({"text": "the cat sat on the mat"}),
        json!({"prompt": "who ran home?", "answer": "the dog"}),
        json!({"text": "the dog ran home"}),
    ];
    let lines = lines.map(|line| format!("{line}\n")).concat();
    fs::write(folder.path().join("own.jsonl"), lines.repeat(20)).unwrap();
    let small = [
        "--layers",
        "1",
        "--hidden",
        "16",
        "--vocabulary",
        "400",
        "--batch",
        "16",
    ];
    let built_in = [
        "pretrain",
        "--family",
        "t5",
        "--out",
        "base",
        "--documents",
        "60",
    ];
    succeed(folder.path(), &[&built_in[..], &small].concat());
    let text = [
        "pretrain",
        "--family",
        "t5",
        "--out",
        "own",
        "--text",
        "own.jsonl",
        "--epochs",
        "2",
    ];
    let small = small.map(|word| if word == "400" { "80" } else { word });
    succeed(folder.path(), &[&text[..], &small].concat());
    for model in ["base", "own"] {
        let config = fs::read_to_string(folder.path().join(model).join("config.json")).unwrap();
        assert!(config.contains("T5ForConditionalGeneration"));
        let out = format!("run-{model}");
        let mut arguments = vec![
            "t5", "--model", model, "--order", "press", "--method", "osft",
        ];
        arguments.extend(["--limit-train", "8", "--limit-test", "4", "--epochs", "1"]);
        arguments.extend(["--set", "calibration.base_rows=8", "--out", &out]);
        succeed(folder.path(), &arguments);
        let inspected = succeed(
            folder.path(),
            &["inspect", "--model", model, "--rows", "20", "--tokens", "8"],
        );
        assert!(inspected.contains("EncDecAttention"), "{inspected}");
    }
}

#[test]
fn a_model_that_would_learn_nothing_is_refused() {
    let folder = scratch();
    for flag in ["--epochs", "--documents", "--batch"] {
        let error = fail(folder.path(), &["pretrain", flag, "0", "--out", "own"]);
        assert!(
            error.contains(flag) && error.contains("at least 1"),
            "{error}"
        );
        assert!(!folder.path().join("own").exists());
    }
}

#[test]
fn a_mixture_that_cannot_be_read_is_one_clear_line() {
    let folder = scratch();
    let cases = [
        (
            "{\"text\": \"a\"}\n{\"prompt\": \"b\"}\n",
            "line 2: expected",
        ),
        ("not json\n", "line 1: expected"),
        ("\n\n", "no line with text"),
    ];
    for (text, word) in cases {
        fs::write(folder.path().join("own.jsonl"), text).unwrap();
        let arguments = [
            "pretrain",
            "--family",
            "t5",
            "--text",
            "own.jsonl",
            "--out",
            "own",
        ];
        let error = fail(folder.path(), &arguments);
        assert!(
            error.contains("own.jsonl") && error.contains(word),
            "{error}"
        );
        assert!(!folder.path().join("own").exists());
    }
}
