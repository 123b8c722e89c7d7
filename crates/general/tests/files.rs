//! Files that cannot be used are refused by file and line, and with what to do.

#![allow(clippy::unwrap_used)]

mod common;

use common::folder;
use general::{OwnSettings, Protocol, Suites, open_own};

/// The message of opening a suite in a folder with these files, without the folder's path.
fn refused(name: &str, protocol: Protocol, files: &[(&str, &str)]) -> String {
    let files: Vec<_> = files
        .iter()
        .map(|(name, content)| (*name, content.to_string()))
        .collect();
    let folder = folder(&files);
    let opened = Suites::builtin().open(&[name], protocol, folder.path());
    let message = opened.unwrap_err().to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
    message.replace(&format!("{}/", folder.path().display()), "")
}

const BOOLQ: &str = r#"{"question": "q", "passage": "p", "answer": true}"#;
const MMLU: &str =
    r#"{"subject": "s", "question": "q", "choices": ["1", "2", "3", "4"], "answer": "A"}"#;
const GSM8K: &str = r#"{"question": "q", "answer": "a #### 1"}"#;
const TURN: &str = r#"{"user": "u", "assistant": "a"}"#;
const BBH: &str = r#"{"task": "navigate", "input": "i", "target": "t"}"#;

#[test]
fn lines_of_rows() {
    let cases = [
        ("", "boolq.jsonl: it is empty: copy or download it again"),
        (
            " \n\n",
            "boolq.jsonl: it is empty: copy or download it again",
        ),
        (
            "\u{feff}{}",
            "boolq.jsonl: it begins with a byte order mark: save it as UTF-8 without one",
        ),
        (
            "ROW\n{",
            "boolq.jsonl, line 2: column 1: EOF while parsing an object",
        ),
        (
            "ROW\n\nROW x",
            "boolq.jsonl, line 3: column 51: trailing characters",
        ),
        (
            r#"["q", "p", true]"#,
            "boolq.jsonl, line 1: it is not a JSON object: write one row per line",
        ),
        (
            r#"{"question": "q", "passage": "p"}"#,
            "boolq.jsonl, line 1: column 33: missing field `answer`",
        ),
        (
            r#"{"question": "q", "passage": "p", "answer": "yes"}"#,
            "boolq.jsonl, line 1: column 49: invalid type: string \"yes\", expected a boolean",
        ),
    ];
    for (content, expected) in cases {
        let content = content.replace("ROW", BOOLQ);
        let message = refused("boolq", Protocol::Trace, &[("boolq.jsonl", &content)]);
        assert_eq!(message, expected, "{content}");
    }
}

#[test]
fn files_that_are_missing_or_not_text() {
    let message = refused("piqa", Protocol::LmEval, &[]);
    assert_eq!(
        message,
        "cannot read piqa.jsonl: No such file or directory (os error 2)"
    );
    let folder = folder(&[]);
    std::fs::write(folder.path().join("piqa.jsonl"), b"{}\n \xff").unwrap();
    let opened = Suites::builtin().open(&["piqa"], Protocol::LmEval, folder.path());
    let message = opened.unwrap_err().to_string();
    let expected = "piqa.jsonl, line 2: byte 2 is not UTF-8: save it as UTF-8";
    assert!(message.ends_with(expected), "{message}");
}

#[test]
fn rows_with_impossible_values() {
    let piqa = |label, solution| {
        let row =
            format!(r#"{{"goal": "g", "sol1": "{solution}", "sol2": "s", "label": {label}}}"#);
        refused("piqa", Protocol::LmEval, &[("piqa.jsonl", &row)])
    };
    assert_eq!(
        piqa(2, "s"),
        "piqa.jsonl, line 1: label must be 0 or 1, found 2"
    );
    assert_eq!(piqa(1, ""), "piqa.jsonl, line 1: a solution is empty");
    assert!(piqa(-1, "s").starts_with("piqa.jsonl, line 1: column"));

    let letter = MMLU.replace("\"A\"", "\"E\"");
    let message = refused("mmlu", Protocol::Trace, &[("mmlu.jsonl", &letter)]);
    assert!(
        message.contains("unknown variant `E`, expected one of `A`, `B`, `C`, `D`"),
        "{message}"
    );
    let three = MMLU.replace(", \"4\"", "");
    let message = refused("mmlu", Protocol::Trace, &[("mmlu.jsonl", &three)]);
    assert!(
        message.contains("invalid length 3, expected an array of length 4"),
        "{message}"
    );

    let row = GSM8K.replace("####", "===");
    let message = refused("gsm8k", Protocol::Trace, &[("gsm8k.jsonl", &row)]);
    assert_eq!(
        message,
        "gsm8k.jsonl, line 1: the answer has no \"#### \" before its number"
    );
}

#[test]
fn examples_that_are_too_few() {
    let files = [("mmlu.jsonl", MMLU), ("mmlu_fewshot.jsonl", MMLU)];
    let expected =
        "mmlu.jsonl, line 1: subject \"s\" needs 5 examples in mmlu_fewshot.jsonl, found 1";
    assert_eq!(refused("mmlu", Protocol::Trace, &files), expected);

    let files = [("gsm8k.jsonl", GSM8K), ("gsm8k_fewshot.jsonl", GSM8K)];
    let expected = "gsm8k_fewshot.jsonl: expected at least 5 examples, found 1";
    assert_eq!(refused("gsm8k", Protocol::LmEval, &files), expected);

    let turns = format!("[{TURN}, {TURN}, {TURN}]");
    let files = [("gsm8k.jsonl", GSM8K), ("prompts/gsm8k_trace.json", &turns)];
    let expected = "prompts/gsm8k_trace.json: expected 4 examples, found 3";
    assert_eq!(refused("gsm8k", Protocol::Trace, &files), expected);

    let files = [
        ("gsm8k.jsonl", GSM8K),
        ("prompts/gsm8k_trace.json", "[\n{\"user\": 1}]"),
    ];
    let message = refused("gsm8k", Protocol::Trace, &files);
    let expected =
        "prompts/gsm8k_trace.json, line 2: column 10: invalid type: integer `1`, expected a string";
    assert_eq!(message, expected);
}

#[test]
fn tasks_and_languages_that_are_unknown() {
    let other = BBH.replace("navigate", "../navigate");
    let message = refused("bbh", Protocol::Trace, &[("bbh.jsonl", &other)]);
    let expected =
        "bbh.jsonl, line 1: there is no task \"../navigate\"; the tasks are date_understanding, ";
    assert!(message.starts_with(expected), "{message}");

    let files = [
        ("bbh.jsonl", BBH),
        ("prompts/bbh/navigate.txt", "no example"),
    ];
    let expected = "prompts/bbh/navigate.txt: it has no example: \"A: Let's think step by step.\" was not found";
    assert_eq!(refused("bbh", Protocol::LmEval, &files), expected);

    let frames =
        r#"{"thai": {"instruction": "i", "passage": "p", "question": "q", "answer": "a"}}"#;
    let row = |language: &str, answers: &str| {
        format!(
            r#"{{"language": "{language}", "question": "q", "context": "c", "answers": {answers}}}"#
        )
    };
    let tydiqa = |row: &str| {
        let files = [("tydiqa.jsonl", row), ("prompts/tydiqa_trace.json", frames)];
        refused("tydiqa", Protocol::Trace, &files)
    };
    let expected = "tydiqa.jsonl, line 1: there is no language \"latin\" in prompts/tydiqa_trace.json; the languages are thai";
    assert_eq!(tydiqa(&row("latin", "[\"a\"]")), expected);
    assert_eq!(
        tydiqa(&row("thai", "[]")),
        "tydiqa.jsonl, line 1: there is no answer"
    );
}

#[test]
fn own_files() {
    let refused = |content: &str| {
        let folder = folder(&[("own.jsonl", content.to_string())]);
        let opened = open_own(&folder.path().join("own.jsonl"), &OwnSettings::default());
        let message = opened.unwrap_err().to_string();
        message.replace(&format!("{}/", folder.path().display()), "")
    };
    let text = r#"{"prompt": "p", "answer": "a"}"#;
    let choice = r#"{"prompt": "p", "choices": [" a", " b"], "answer": 0}"#;
    let cases = [
        (
            format!("{text}\n{choice}"),
            "own.jsonl, line 2: some rows have choices and some have none: one file for each",
        ),
        (
            text.replace("\"a\"", "3"),
            "own.jsonl, line 1: the answer is 3, but there are no choices: write it as a text",
        ),
        (
            choice.replace(": 0", ": \"a\""),
            "own.jsonl, line 1: the answer must be the index of a choice, from 0, and is \"a\"",
        ),
        (
            text.replace("\"a\"", "-2.5"),
            "own.jsonl, line 1: the answer is -2.5, but there are no choices: write it as a text",
        ),
        (
            choice.replace(": 0", ": -1"),
            "own.jsonl, line 1: the answer must be the index of a choice, from 0, and is -1",
        ),
        (
            choice.replace(": 0", ": 2"),
            "own.jsonl, line 1: the answer is choice 2 (from 0), but there are 2 choices",
        ),
        (
            choice.replace(", \" b\"", ""),
            "own.jsonl, line 1: expected at least two choices, none of them empty",
        ),
        (
            choice.replace("\" b\"", "\" \""),
            "own.jsonl, line 1: expected at least two choices, none of them empty",
        ),
        (
            text.replace("\"a\"", "\"\""),
            "own.jsonl, line 1: the answer is empty",
        ),
        (
            text.replace("\"p\"", "\"\""),
            "own.jsonl, line 1: the prompt is empty",
        ),
    ];
    for (content, expected) in cases {
        assert_eq!(refused(&content), expected, "{content}");
    }
    let settings = OwnSettings {
        max_new_tokens: 0,
        ..OwnSettings::default()
    };
    let message = open_own("own.jsonl".as_ref(), &settings)
        .unwrap_err()
        .to_string();
    assert_eq!(
        message,
        "the number of tokens to generate must be at least 1, found 0"
    );
}
