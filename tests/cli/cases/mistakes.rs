//! What cannot be right is an error before a run, and in `validate`.

use std::fs;

use serde_json::{Value, json};

use super::{Case, UNKNOWN, changed, llama, question, questions, rows};
use crate::{experiments, fail, scratch};

#[test]
fn what_cannot_be_right_is_an_error_before_the_run_and_in_validate() {
    let config =
        |key: &'static str, value: Value| changed(llama(), |case| case.config[key] = value);
    // A tokenizer that knows three letters.
    let letters = |case: &mut Case| {
        case.tokenizer["model"]["vocab"] =
            json!({"<pad>": 0, "<s>": 1, "</s>": 2, "a": 3, "b": 4, ":": 5});
        case.tokenizer["model"]["merges"] = json!([]);
        for part in ["pre_tokenizer", "post_processor", "decoder"] {
            case.tokenizer[part] = Value::Null;
        }
        case.train = rows(&[("a:", "b"), ("b:", "a")]);
        case.validation = rows(&[("bb:", "b")]);
        case.test = rows(&[("ab:", "a")]);
    };
    let cases: Vec<(&str, Case, &[&str])> = vec![
        (
            "linear rope without its factor",
            config(
                "rope_parameters",
                json!({"rope_theta": 10000.0, "rope_type": "linear"}),
            ),
            &["config.json", "factor"],
        ),
        (
            "a token beyond the embeddings",
            changed(llama(), |case| {
                let tokens = case.tokenizer["added_tokens"].as_array_mut().unwrap();
                let mut token = tokens[0].clone();
                token["id"] = json!(300);
                token["content"] = json!("<|im_end|>");
                tokens.push(token);
                case.tokenizer["model"]["vocab"]["<|im_end|>"] = json!(300);
                let asked = question("3 or 5<|im_end|>");
                case.train = rows(&[(&asked, " 5"), ("Q:", " 4")]);
            }),
            &["tokenizer.json", "300", "264", "<|im_end|>"],
        ),
        (
            "an end token beyond the embeddings",
            changed(config("eos_token_id", json!(32000)), |case| {
                case.generation = json!({"eos_token_id": 32000});
            }),
            &["32000", "264"],
        ),
        (
            "quantized weights",
            config(
                "quantization_config",
                json!({"quant_method": "gptq", "bits": 4}),
            ),
            &["quantization_config", "gptq"],
        ),
        (
            "a prompt without a token",
            changed(changed(llama(), letters), |case| {
                case.test = rows(&[("ab:", "a"), (UNKNOWN, "a")]);
            }),
            &["task one", "test row 1", "prompt", UNKNOWN],
        ),
        (
            "an answer without a token",
            changed(changed(llama(), letters), |case| {
                case.train = rows(&[("a:", "b"), ("b:", UNKNOWN)]);
            }),
            &["task one", "training row 1", "answer", UNKNOWN],
        ),
        (
            "training rows that are all test rows",
            changed(llama(), |case| case.test = questions(1)),
            &[
                "\"one\" has no training rows",
                "4 of 4",
                "test row",
                "flaws=\"keep\"",
            ],
        ),
    ];
    for (name, case, words) in cases {
        let folder = scratch();
        case.write(folder.path());
        let command = case.command();
        let validate = [&["validate", command[0]], &command[1..]].concat();
        let run = [&command[..], &["--out", "run"]].concat();
        for arguments in [&validate, &run] {
            let error = fail(folder.path(), arguments);
            assert_eq!(error.trim_end().lines().count(), 1, "{name}: {error}");
            for word in words {
                assert!(error.contains(word), "{name}: no {word:?} in {error}");
            }
        }
        assert!(!folder.path().join("run").exists(), "{name} left a folder");
    }
}

#[test]
fn files_that_are_not_what_they_seem_are_named() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 263424\n";
    let good = questions(1).to_string();
    let lines = questions(1);
    let lines: Vec<String> = lines
        .as_array()
        .unwrap()
        .iter()
        .map(Value::to_string)
        .collect();
    let cases: [(&str, Vec<u8>, &[&str]); 6] = [
        (
            "data/one/train.json",
            [b"\xef\xbb\xbf", good.as_bytes()].concat(),
            &["byte order mark", "UTF-8"],
        ),
        (
            "data/one/train.json",
            lines.join("\n").into_bytes(),
            &["JSON lines", "array"],
        ),
        (
            "data/one/train.json",
            br#"[{"prompt":"smile \ud83d","answer":"x"},{"prompt":"b","answer":"y"}]"#.to_vec(),
            &["surrogate", "line 1"],
        ),
        (
            "data/one/test.json",
            pointer.into(),
            &["Git LFS pointer", "git lfs pull"],
        ),
        (
            "model/model.safetensors",
            pointer.into(),
            &["Git LFS pointer", "git lfs pull"],
        ),
        (
            "model/config.json",
            b"\xef\xbb\xbf{}".to_vec(),
            &["byte order mark"],
        ),
    ];
    for (file, bytes, words) in cases {
        let folder = scratch();
        let case = llama();
        case.write(folder.path());
        fs::write(folder.path().join(file), bytes).unwrap();
        let command = case.command();
        let error = fail(folder.path(), &[&command[..], &["--out", "run"]].concat());
        for word in words.iter().chain([&file]) {
            assert!(error.contains(word), "{file}: no {word:?} in {error}");
        }
        assert!(!folder.path().join("run").exists(), "{file} left a folder");
    }
}

#[test]
fn targets_that_no_calibration_sees_are_named_at_once() {
    let case = changed(llama(), |case| {
        case.arguments = vec!["--set", "methods.osft.targets=['embed_tokens', 'q_proj']"];
    });
    let folder = scratch();
    case.write(folder.path());
    let mut command = case.command();
    let method = command.iter().position(|word| *word == "seqft").unwrap();
    command[method] = "osft";
    let validate = [&["validate", "trace"], &command[1..]].concat();
    let run = [&command[..], &["--out", "run"]].concat();
    for arguments in [validate, run] {
        let error = fail(folder.path(), &arguments);
        for word in ["embed_tokens.weight", "settings of osft", "inputs"] {
            assert!(error.contains(word), "no {word:?} in {error}");
        }
    }
    assert!(!folder.path().join("run").exists());
}

#[test]
fn rows_to_choose_by_are_no_test_rows() {
    let mut case = llama();
    case.arguments = vec!["--set", "flaws='keep'"];
    let folder = scratch();
    case.write(folder.path());
    // The one validation row is a test row.
    let shared = rows(&[(&question("2 or 1"), " 2")]).to_string();
    fs::write(folder.path().join("data/one/eval.json"), shared).unwrap();
    for choose in [&["--tune"][..], &["--patience", "2"], &["--keep-best"]] {
        let run = [&case.command()[..], choose, &["--out", "run"]].concat();
        let error = fail(folder.path(), &run);
        for word in [
            "one: 1 of 1 validation rows",
            "test row",
            "flaws=\"repair\"",
        ] {
            assert!(error.contains(word), "{choose:?}: no {word:?} in {error}");
        }
        assert!(!folder.path().join("run").exists());
    }
    // Without a choice there is nothing to spoil, also where the loss of these rows is shown.
    for (out, shown) in [("run", &[][..]), ("watched", &["--validate-every", "1"])] {
        let run = [&case.command()[..], shown, &["--out", out]].concat();
        let output = experiments(folder.path()).args(run).output().unwrap();
        assert!(output.status.success(), "{out}");
    }
}
