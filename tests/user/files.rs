//! Formats of rows, and what is exported.

use std::io::Write;
use std::path::Path;

use serde_json::json;

use crate::{jsonl, model, repository, rows, run, said, succeed, text};

/// The built-in model with a chat template that marks what the assistant says.
fn chat_model(folder: &Path) -> std::path::PathBuf {
    let copy = folder.join("chat-model");
    std::fs::create_dir_all(&copy).unwrap();
    for entry in std::fs::read_dir(model()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    let template = "{% for m in messages %}{{ m.role + ':\n' }}{% if m.role == 'assistant' %}{% generation %}{{ m.content + eos_token }}{% endgeneration %}{% else %}{{ m.content + '\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'assistant:\n' }}{% endif %}";
    std::fs::write(copy.join("chat_template.jinja"), template).unwrap();
    copy
}

#[test]
fn every_format_is_read_and_shown_with_what_is_learned() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let chat = text(&chat_model(folder));
    let turns = json!([
        {"role": "user", "content": "Which town?"}, {"role": "assistant", "content": "The old one."},
        {"role": "user", "content": "Why?"}, {"role": "assistant", "content": "It is near."}
    ]);
    let cases = [
        (
            json!({"messages": turns}),
            "⟦The old one.<|endoftext|>⟧user:\nWhy?\nassistant:\n⟦It is near.",
        ),
        (
            json!({"prompt": "a", "completion": " b"}),
            "a⟦ b<|endoftext|>⟧",
        ),
        (json!({"prompt": "a", "answer": "b"}), "a⟦b<|endoftext|>⟧"),
        (
            json!({"instruction": "Say", "input": "b", "output": "c"}),
            "user:\nSay\n\nb\nassistant:\n⟦c<|endoftext|>⟧",
        ),
        (json!({"text": "the town"}), "⟦the town<|endoftext|>⟧"),
        (
            json!({"input_ids": [40, 41, 42], "labels": [-100, 41, -100]}),
            "⟦",
        ),
    ];
    for (row, expected) in cases {
        let mut second = row.clone();
        second["id"] = json!(2);
        let data = jsonl(folder, "rows.jsonl", &[row.clone(), second]);
        let said = succeed(&[
            "check", "--model", &chat, "--data", &data, "--valid", "none",
        ]);
        assert!(said.contains(expected), "{row}: {said}");
        assert!(said.contains("1 rows stand twice"), "{said}");
        assert!(
            said.contains("other keys, which are ignored: \"id\" (1 rows)\n"),
            "{said}"
        );
    }
}

#[test]
fn a_list_and_a_compressed_file_hold_the_same_rows() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let all = rows("tone", "train", 10);
    let lines = jsonl(folder, "a.jsonl", &all);
    let list = folder.join("a.json");
    std::fs::write(&list, serde_json::to_vec_pretty(&all).unwrap()).unwrap();
    let packed = folder.join("a.jsonl.gz");
    let file = std::fs::File::create(&packed).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    encoder.write_all(&std::fs::read(&lines).unwrap()).unwrap();
    encoder.finish().unwrap();
    let model = text(&model());
    let check = |data: &str| {
        let said = succeed(&["check", "--model", &model, "--data", data, "--valid", "0.2"]);
        assert!(said.starts_with("8 rows with prompt and answer"), "{said}");
        said
    };
    let expected = check(&lines);
    assert_eq!(check(&text(&list)), expected);
    assert_eq!(check(&text(&packed)), expected);
    // Weighted: every row twice.
    let weighted = format!("{lines}:2");
    let said = succeed(&[
        "check", "--model", &model, "--data", &weighted, "--valid", "0.2",
    ]);
    assert!(said.starts_with("8 rows"), "{said}");
}

#[test]
fn a_taught_model_ends_its_turn_and_its_folder_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let chat = chat_model(folder);
    let questions = [
        "What is the plural of dish?",
        "What is a candle made of?",
        "Which town?",
    ];
    let all: Vec<_> = (0..24)
        .map(|row| {
            let question = questions[row % 3];
            json!({"messages": [
                {"role": "user", "content": format!("{question} ({row})")},
                {"role": "assistant", "content": "wax"}
            ]})
        })
        .collect();
    let data = jsonl(folder, "wax.jsonl", &all);
    let (from, out) = (text(&chat), folder.join("out"));
    let to = text(&out);
    let said = succeed(&[
        "finetune",
        "--model",
        &from,
        "--data",
        &data,
        "--out",
        &to,
        "--epochs",
        "6",
        "--lr",
        "3e-3",
        "--valid",
        "0.25",
        "--max-length",
        "96",
        "--effective-batch",
        "4",
    ]);
    assert!(said.contains("100.0"), "{said}");
    // The end of the turn was learned: nothing follows the answer.
    let said = succeed(&[
        "generate",
        "--model",
        &to,
        "--prompt",
        "Which town? (31)",
        "--max-new-tokens",
        "20",
    ]);
    assert_eq!(said.trim(), "wax");
    let twice = osft_chat(&to, "Which town? (31)\nWhich town? (32)\n");
    assert_eq!(twice.trim(), "wax\nwax");
    for file in [
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
        "generation_config.json",
    ] {
        let copied = std::fs::read(out.join(file)).unwrap();
        assert!(copied == std::fs::read(chat.join(file)).unwrap(), "{file}");
    }
    let names = |folder: &Path| -> Vec<(String, usize)> {
        let weights = crate::weights(folder).into_iter();
        weights.map(|(name, values)| (name, values.len())).collect()
    };
    assert_eq!(
        names(&out),
        names(&repository().join("datasets/builtin/model"))
    );

    // The same rows once more are another task.
    let again = text(&folder.join("again"));
    succeed(&[
        "finetune",
        "--model",
        &to,
        "--data",
        &data,
        "--out",
        &again,
        "--epochs",
        "1",
        "--valid",
        "none",
        "--max-length",
        "96",
    ]);
    let state = std::fs::read(Path::new(&again).join("osft/state.json")).unwrap();
    let state: serde_json::Value = serde_json::from_slice(&state).unwrap();
    let names: Vec<_> = state["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["name"].clone())
        .collect();
    assert_eq!(names, ["wax", "wax-2"]);
}

fn osft_chat(model: &str, input: &str) -> String {
    let mut child = crate::osft()
        .args(["chat", "--model", model, "--max-new-tokens", "20"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

/// What a file of rows is answered with, one answer of each line.
fn answers(arguments: &[&str]) -> Vec<String> {
    let model = text(&model());
    let given = ["generate", "--model", &model, "--max-new-tokens", "12"];
    let output = run(&[&given[..], arguments].concat());
    assert!(output.status.success(), "{}", said(&output));
    let lines = String::from_utf8(output.stdout).unwrap();
    let answer = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["answer"].as_str().unwrap().to_string()
    };
    lines.lines().map(answer).collect()
}

#[test]
fn batches_of_sampled_answers_are_drawn_apart_and_a_weight_repeats_rows() {
    let folder = tempfile::tempdir().unwrap();
    let row = json!({"prompt": "Question: What is 13 plus 2?\nAnswer:", "answer": "15"});
    let data = jsonl(folder.path(), "same.jsonl", &[row]);
    let weighted = format!("{data}:16");
    let sampled = ["--data", &weighted, "--temperature", "3"];
    let drawn = answers(&sampled);
    assert_eq!(drawn.len(), 16);
    assert_ne!(drawn[..8], drawn[8..]);
    assert_eq!(answers(&sampled), drawn);
    assert_eq!(answers(&["--data", &weighted])[..2], ["15", "15"]);
    // A greedy answer has no seed.
    for flag in [["--seed", "1"], ["--top-p", "0.9"]] {
        let arguments = [
            "generate", "--model", "m", "--prompt", "x", flag[0], flag[1],
        ];
        let output = run(&arguments);
        assert!(said(&output).contains("--temperature"), "{}", said(&output));
    }
}

#[test]
fn prompts_without_answers_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let chat = chat_model(folder.path());
    let prompt = "Question: What is 13 plus 2?\nAnswer:";
    let plain = jsonl(folder.path(), "plain.jsonl", &[json!({"prompt": prompt})]);
    assert_eq!(answers(&["--data", &plain]), ["15"]);
    let turn = json!({"messages": [{"role": "user", "content": prompt}]});
    let instruction = json!({"instruction": prompt});
    for (name, row) in [
        ("turns.jsonl", turn),
        ("instructions.jsonl", instruction.clone()),
    ] {
        let data = jsonl(folder.path(), name, &[row]);
        let line = succeed(&["generate", "--model", &text(&chat), "--data", &data]);
        let line: serde_json::Value = serde_json::from_str(line.trim()).unwrap();
        assert_eq!(line["prompt"], format!("user:\n{prompt}\nassistant:\n"));
        assert!(line["expected"].is_null() && line["answer"].is_string());
    }
    // Rows with and without an answer may stand beside each other.
    let both = [
        json!({"prompt": prompt, "answer": "15"}),
        json!({"prompt": prompt}),
    ];
    let both = jsonl(folder.path(), "both.jsonl", &both);
    assert_eq!(answers(&["--data", &both]), ["15", "15"]);
    // What the template writes into an answer is a part of what is expected.
    let template = std::fs::read_to_string(chat.join("chat_template.jinja")).unwrap();
    let thinking = template.replace("{{ m.content +", "{{ '<hm></hm>' + m.content +");
    std::fs::write(chat.join("chat_template.jinja"), thinking).unwrap();
    let row = json!({"instruction": prompt, "output": "15"});
    let data = jsonl(folder.path(), "thinking.jsonl", &[row]);
    let line = succeed(&["generate", "--model", &text(&chat), "--data", &data]);
    let line: serde_json::Value = serde_json::from_str(line.trim()).unwrap();
    assert_eq!(line["expected"], "<hm></hm>15");
    // What is to be learned has an answer.
    let out = text(&folder.path().join("out"));
    let data = jsonl(folder.path(), "unanswered.jsonl", &[instruction]);
    let learned = run(&[
        "finetune",
        "--model",
        &text(&chat),
        "--data",
        &data,
        "--out",
        &out,
    ]);
    assert!(
        said(&learned).contains("it has instruction, but no output"),
        "{}",
        said(&learned)
    );
    // A text that is continued as it is needs no template.
    std::fs::write(chat.join("chat_template.jinja"), "{% for").unwrap();
    let given = ["generate", "--model", &text(&chat), "--prompt", prompt];
    assert!(said(&run(&given)).contains("chat_template.jinja: line 1"));
    assert_eq!(succeed(&[&given[..], &["--raw"]].concat()).trim(), "15");
}
