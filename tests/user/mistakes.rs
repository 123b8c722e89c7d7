//! Malformed input: one clear line each, nothing written, no panic.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::bad_rows::{Case, of_rows};
use crate::{jsonl, model, rows, run, said, text};

/// What is in a folder, to see that nothing was written.
fn contents(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    found.sort();
    found
}

/// Runs `finetune` and expects one line that contains some texts, and nothing written.
fn refused(name: &str, folder: &Path, arguments: &[&str], expected: &[&str]) {
    let before = contents(folder);
    let output = run(arguments);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{name}: {said}");
    for expected in expected {
        assert!(said.contains(expected), "{name}: {said}");
    }
    let lines = said.trim_end().lines().count();
    assert!(lines == 1 && said.len() < 700, "{name}: {said}");
    assert_eq!(contents(folder), before, "{name}");
}

#[test]
fn malformed_rows_are_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (model, data, out) = (
        text(&model()),
        folder.join("rows.jsonl"),
        folder.join("out"),
    );
    let (data_text, out) = (text(&data), text(&out));
    let cases = of_rows();
    assert!(cases.len() >= 50);
    for Case {
        name,
        rows,
        expected,
    } in cases
    {
        std::fs::write(&data, rows).unwrap();
        // One row cannot be divided; the others are refused for what they are.
        let valid = if name == "one row" { "0.05" } else { "none" };
        let arguments = [
            "finetune", "--model", &model, "--data", &data_text, "--out", &out, "--valid", valid,
        ];
        refused(name, folder, &arguments, expected);
    }
}

/// A copy of the built-in model with one file replaced.
fn damaged(folder: &Path, file: &str, content: &[u8]) -> String {
    let copy = folder.join("model");
    let _ = std::fs::remove_dir_all(&copy);
    std::fs::create_dir(&copy).unwrap();
    for entry in std::fs::read_dir(model()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    std::fs::write(copy.join(file), content).unwrap();
    text(&copy)
}

#[test]
fn damaged_models_and_places_are_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let turns = "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"b\"}]}\n";
    std::fs::write(folder.join("rows.jsonl"), turns.repeat(4)).unwrap();
    let (data, out) = (text(&folder.join("rows.jsonl")), text(&folder.join("out")));
    let header = |json: &str| {
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend(json.as_bytes());
        bytes
    };
    let terabytes = header(
        r#"{"lm_head.weight":{"dtype":"F32","shape":[1000000,1000000],"data_offsets":[0,4000000000000]}}"#,
    );
    let overlapping = header(
        r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
    );
    let cases: Vec<(&str, &str, Vec<u8>, &[&str])> = vec![
        (
            "template with a mistake",
            "chat_template.jinja",
            b"{% if %}".to_vec(),
            &["chat_template.jinja: line 1"],
        ),
        (
            "template that refuses",
            "chat_template.jinja",
            b"{{ raise_exception('only one turn') }}".to_vec(),
            &["line 1:", "only one turn"],
        ),
        (
            "template that loops",
            "chat_template.jinja",
            b"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
                .to_vec(),
            &["does not come to an end"],
        ),
        (
            "template that calls itself",
            "chat_template.jinja",
            b"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}".to_vec(),
            &["line 1:", "recursion"],
        ),
        (
            "template that is not UTF-8",
            "chat_template.jinja",
            b"\xff\xfe".to_vec(),
            &["not UTF-8"],
        ),
        (
            "template that says nothing",
            "chat_template.jinja",
            b"{{ '' }}".to_vec(),
            &["line 1: the tokenizer finds no token"],
        ),
        (
            "weights of terabytes",
            "model.safetensors",
            terabytes,
            &["its header calls for"],
        ),
        (
            "overlapping offsets",
            "model.safetensors",
            overlapping,
            &["model.safetensors", "invalid offset"],
        ),
        (
            "an endless header",
            "model.safetensors",
            u64::MAX.to_le_bytes().to_vec(),
            &["no safetensors file"],
        ),
        (
            "a pickle",
            "model.safetensors",
            b"\x80\x02}q\x00.".to_vec(),
            &["model.safetensors"],
        ),
        (
            "a configuration of text",
            "config.json",
            b"hello".to_vec(),
            &["config.json"],
        ),
        (
            "a tokenizer of text",
            "tokenizer.json",
            b"{}".to_vec(),
            &["tokenizer.json"],
        ),
    ];
    for (name, file, content, expected) in cases {
        let model = damaged(folder, file, &content);
        let arguments = [
            "finetune", "--model", &model, "--data", &data, "--out", &out, "--valid", "none",
        ];
        refused(name, folder, &arguments, expected);
    }
    // Shards whose names lead out of the folder.
    let model = damaged(
        folder,
        "model.safetensors.index.json",
        br#"{"weight_map":{"a":"../../secret.safetensors"}}"#,
    );
    std::fs::remove_file(Path::new(&model).join("model.safetensors")).unwrap();
    let arguments = [
        "finetune", "--model", &model, "--data", &data, "--out", &out,
    ];
    refused(
        "path traversal",
        folder,
        &arguments,
        &["../../secret.safetensors"],
    );
    // A place below a file, which not even root can write.
    std::fs::write(folder.join("file"), "x").unwrap();
    let below = text(&folder.join("file/out"));
    let model = damaged(
        folder,
        "chat_template.jinja",
        b"{% for m in messages %}{{ m.content + '\n' }}{% endfor %}",
    );
    let arguments = [
        "finetune", "--model", &model, "--data", &data, "--out", &below, "--valid", "none",
    ];
    refused(
        "below a file",
        folder,
        &arguments,
        &["which is not a folder"],
    );
    let missing = text(&folder.join("none.jsonl"));
    let arguments = [
        "finetune", "--model", &model, "--data", &missing, "--out", &out,
    ];
    refused(
        "a missing file",
        folder,
        &arguments,
        &["cannot read", "none.jsonl"],
    );
    let long = text(&folder.join("long.toml"));
    std::fs::write(&long, "max_length = 100000\n").unwrap();
    for (name, more, expected) in [
        (
            "a share above 1",
            ["--unfreeze-ratio", "1.5"],
            "expected a share from 0",
        ),
        ("a rate of 0", ["--lr", "0"], "learning_rate"),
        ("no such method", ["--method", "oft"], "oft"),
        (
            "all tasks at once",
            ["--method", "multi-task"],
            "cannot learn one more task",
        ),
        (
            "no such precision",
            ["--dtype", "f8"],
            "expected auto, f32, bf16 or f16",
        ),
        (
            "a weight of 0",
            ["--data", "rows.jsonl:0"],
            "the weight after the colon",
        ),
        ("a short length", ["--max-length", "4"], "max_length = 4"),
        (
            "a long length",
            ["--max-length", "100000"],
            "the model was made for",
        ),
        (
            "a long length in a file",
            ["--config", long.as_str()],
            "give --max-length",
        ),
        (
            "no new tokens",
            ["--max-new-tokens", "0"],
            "--max-new-tokens must be at least 1",
        ),
        (
            "a task with a pipe",
            ["--task", "a|b"],
            "expected a name of letters",
        ),
        ("no such text", ["--text", "none.txt"], "none.txt"),
    ] {
        let mut arguments = vec![
            "finetune", "--model", &model, "--data", &data, "--out", &out, "--valid", "none",
        ];
        arguments.extend(more);
        refused(name, folder, &arguments, &[expected]);
    }
}

#[test]
fn a_template_with_a_mistake_concerns_only_rows_that_are_written_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let model = damaged(folder, "chat_template.jinja", b"{% if %}");
    let answered = jsonl(folder, "answered.jsonl", &rows("stance", "train", 4));
    let check = |data: &str| run(&["check", "--model", &model, "--data", data]);
    let output = check(&answered);
    let found = said(&output);
    assert!(output.status.success(), "{found}");
    assert!(
        found.contains("the rows need no chat template") && found.contains("line 1"),
        "{found}"
    );
    let taught = ["a", "b", "c", "d"].map(|text| json!({"instruction": text, "output": text}));
    let output = check(&jsonl(folder, "taught.jsonl", &taught));
    let found = said(&output);
    assert_eq!(output.status.code(), Some(1), "{found}");
    assert!(found.contains("chat_template.jinja: line 1"), "{found}");
}
