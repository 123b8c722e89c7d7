//! Malformed input: one clear line each, nothing written, no panic.

use std::path::{Path, PathBuf};

use crate::{model, run, said, text};

/// A kind of input that goes wrong.
struct Case {
    name: &'static str,
    rows: Vec<u8>,
    /// What the message contains.
    expected: &'static [&'static str],
}

fn case(name: &'static str, rows: impl Into<Vec<u8>>, expected: &'static [&'static str]) -> Case {
    Case {
        name,
        rows: rows.into(),
        expected,
    }
}

fn of_rows() -> Vec<Case> {
    let long = format!("{{\"text\": \"{}\"}}\n", "a".repeat(10 << 20));
    vec![
        case("empty", "", &["rows.jsonl: it is empty"]),
        case("blank lines", "\n\n  \n", &["it is empty"]),
        case("not JSON", "hello\n", &["line 1: column 1"]),
        case(
            "a broken line",
            "{\"text\": \"a\"}\n{\"text\": \"b\"\n",
            &["line 2: column 12: EOF"],
        ),
        case(
            "a trailing comma",
            "{\"text\": \"a\",}\n",
            &["line 1: column 14: trailing comma"],
        ),
        case("single quotes", "{'text': 'a'}\n", &["line 1: column 2"]),
        case(
            "two objects in a line",
            "{\"text\":\"a\"}{\"text\":\"b\"}\n",
            &["line 1: column 13"],
        ),
        case("a number", "7\n", &["line 1: it is not a JSON object"]),
        case("a string", "\"a\"\n", &["line 1: it is not a JSON object"]),
        case(
            "no keys",
            "{}\n",
            &["line 1: it has no keys; expected messages"],
        ),
        case(
            "other keys",
            "{\"question\": \"a\"}\n",
            &["its keys are question; expected"],
        ),
        case(
            "no answer",
            "{\"prompt\": \"a\"}\n",
            &["it has prompt, but no completion or answer"],
        ),
        case(
            "no instruction",
            "{\"output\": \"a\"}\n",
            &["it has output, but no instruction"],
        ),
        case(
            "two formats",
            "{\"text\": \"a\"}\n{\"prompt\": \"a\", \"answer\": \"b\"}\n",
            &["line 2 has prompt and answer, but", "line 1 has text"],
        ),
        case(
            "an empty answer",
            "{\"prompt\": \"a\", \"answer\": \"  \"}\n",
            &["line 1: answer is empty"],
        ),
        case(
            "an empty prompt",
            "{\"prompt\": \"\", \"answer\": \"b\"}\n",
            &["line 1: prompt is empty"],
        ),
        case(
            "an answer of null",
            "{\"prompt\": \"a\", \"answer\": null}\n",
            &["answer is null"],
        ),
        case(
            "an answer of 7",
            "{\"prompt\": \"a\", \"answer\": 7}\n",
            &["answer is 7, expected text"],
        ),
        case(
            "a list of prompts",
            "{\"prompt\": [], \"answer\": \"a\"}\n",
            &["prompt is a list"],
        ),
        case("an empty text", "{\"text\": \"\"}\n", &["text is empty"]),
        case(
            "messages without a template",
            "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"b\"}]}\n",
            &["no chat template"],
        ),
        case(
            "no role",
            "{\"messages\": [{\"content\": \"a\"}]}\n",
            &["line 1: message 1 has no role"],
        ),
        case(
            "no content",
            "{\"messages\": [{\"role\": \"user\"}]}\n",
            &["message 1 has no content"],
        ),
        case(
            "no messages",
            "{\"messages\": []}\n",
            &["messages is empty"],
        ),
        case(
            "messages as text",
            "{\"messages\": \"a\"}\n",
            &["messages is a string, not a list"],
        ),
        case(
            "no assistant",
            "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}\n",
            &["no message is the assistant's"],
        ),
        case(
            "a silent assistant",
            "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"\"}]}\n",
            &["message 2: the assistant's content is empty"],
        ),
        case(
            "unmask as text",
            "{\"messages\": [{\"role\": \"assistant\", \"content\": \"a\"}], \"unmask\": \"yes\"}\n",
            &["unmask is \"yes\""],
        ),
        case(
            "tools as text",
            "{\"messages\": [{\"role\": \"assistant\", \"content\": \"a\"}], \"tools\": \"x\"}\n",
            &["tools is a string"],
        ),
        case(
            "no tokens",
            "{\"input_ids\": []}\n",
            &["input_ids is empty"],
        ),
        case(
            "tokens as text",
            "{\"input_ids\": \"1 2\"}\n",
            &["input_ids is not a list"],
        ),
        case(
            "a token of 1.5",
            "{\"input_ids\": [1, 1.5]}\n",
            &["entry 2: 1.5 is not an integer"],
        ),
        case(
            "a token below 0",
            "{\"input_ids\": [1, -5], \"labels\": [1, -5]}\n",
            &["-5 is no token id"],
        ),
        case(
            "a token without embedding",
            "{\"input_ids\": [1, 99999999]}\n",
            &["token 99999999 has no embedding"],
        ),
        case(
            "too few labels",
            "{\"input_ids\": [1, 2], \"labels\": [1]}\n",
            &["it has 2 input_ids and 1 labels"],
        ),
        case(
            "shifted labels",
            "{\"input_ids\": [1, 2], \"labels\": [2, 3]}\n",
            &["labels, entry 1: 2 is neither"],
        ),
        case(
            "ignored labels",
            "{\"input_ids\": [1, 2], \"labels\": [-100, -100]}\n",
            &["nothing to learn"],
        ),
        case("a long line", long, &["line 1: it is longer than 8 MiB"]),
        case(
            "not UTF-8",
            b"{\"text\": \"a\xff\"}\n".to_vec(),
            &["line 1: column 12: it is not UTF-8"],
        ),
        case(
            "a byte order mark",
            b"\xef\xbb\xbf{\"text\": \"a\"}\n".to_vec(),
            &["byte order mark"],
        ),
        case("UTF-16", b"\xff\xfe{\0\"\0".to_vec(), &["byte order mark"]),
        case(
            "Parquet",
            b"PAR1\x15\x04".to_vec(),
            &["it is a Parquet file"],
        ),
        case("zip", b"PK\x03\x04abc".to_vec(), &["it is a zip archive"]),
        case(
            "a Git LFS pointer",
            "version https://git-lfs.github.com/spec/v1\n",
            &["Git LFS pointer"],
        ),
        case(
            "a broken gzip file",
            b"\x1f\x8b\x08\x00abcdefgh".to_vec(),
            &["cannot read", "rows.jsonl"],
        ),
        case("an empty list", "[]", &["it has no row"]),
        case(
            "a list of numbers",
            "[1, 2]",
            &["row 1: it is not a JSON object"],
        ),
        case(
            "a list without end",
            "[{\"text\": \"a\"}, ",
            &["rows.jsonl: EOF", "line 1"],
        ),
        case("deep nesting", "[".repeat(100_000), &["recursion limit"]),
        case("one row", "{\"text\": \"a b c\"}\n", &["cannot be divided"]),
    ]
}

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
            &["model.safetensors"],
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
        ("no such text", ["--text", "none.txt"], "none.txt"),
    ] {
        let mut arguments = vec![
            "finetune", "--model", &model, "--data", &data, "--out", &out, "--valid", "none",
        ];
        arguments.extend(more);
        refused(name, folder, &arguments, &[expected]);
    }
}
