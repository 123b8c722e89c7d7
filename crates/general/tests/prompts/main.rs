//! Prompts equal those of the two protocols to the byte, on made-up rows: each is written out here by hand from the
//! published template.

#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod lm_eval;
mod trace;

use common::lines;
use general::{Request, Scope, Suite};
use serde_json::json;

/// Two subjects, and six examples of each: the sixth is not used.
fn mmlu() -> Vec<(&'static str, String)> {
    let subjects = ["high_school_physics", "virology"];
    let row = |subject: &str, question: String, answer: &str| {
        let choices = [format!("{question}1"), "two".into(), "".into(), " 4".into()];
        json!({"subject": subject, "question": question, "choices": choices, "answer": answer})
    };
    let letters = ["B", "A", "D", "C", "A", "B"];
    let examples = subjects.iter().flat_map(|subject| {
        let letters = letters.iter().enumerate();
        letters.map(|(index, letter)| row(subject, format!("{}{index}", &subject[..1]), letter))
    });
    vec![
        (
            "mmlu.jsonl",
            lines([
                row("virology", " What\nis it? ".to_string(), "C"),
                row("high_school_physics", "é {A}".to_string(), "A"),
            ]),
        ),
        ("mmlu_fewshot.jsonl", lines(examples)),
    ]
}

fn gsm8k() -> Vec<(&'static str, String)> {
    let row = |question: String, answer: &str| json!({"question": question, "answer": answer});
    let turns = (1..=4).map(|n| {
        let user = format!("Question: Q{n}\nLet's think step by step\nAnswer:");
        json!({"user": user, "assistant": format!("It is {n}.\nThe answer is {n}\n")})
    });
    let pool = (0..6).map(|n| row(format!("q{n}"), &format!("a{n}\n#### {n}")));
    vec![
        (
            "gsm8k.jsonl",
            lines([
                row("How many?".to_string(), "2 + 2 = 4\n#### 4"),
                row("And now? ".to_string(), "#### 1,000"),
            ]),
        ),
        ("gsm8k_fewshot.jsonl", lines(pool)),
        (
            "prompts/gsm8k_trace.json",
            serde_json::Value::from_iter(turns).to_string(),
        ),
    ]
}

/// A file with the mark of its authors, and one without it that goes on in the line of the cue.
fn bbh() -> Vec<(&'static str, String)> {
    let navigate = "BENCHMARK DATA SHOULD NEVER APPEAR. canary GUID 1\n-----\nGo.\n\n\
                    Q: Left?\nA: Let's think step by step.\nIt is. So the answer is Yes.";
    let sports =
        "Judge.\n\nQ: Plausible?\nA: Let's think step by step. It is. So the answer is yes.\n";
    vec![
        (
            "bbh.jsonl",
            lines([
                json!({"task": "navigate", "input": "Right?\nOptions:\n- Yes", "target": "No"}),
                json!({"task": "sports_understanding", "input": "\"x\"", "target": "yes"}),
            ]),
        ),
        ("prompts/bbh/navigate.txt", navigate.to_string()),
        ("prompts/bbh/sports_understanding.txt", sports.to_string()),
    ]
}

fn piqa() -> Vec<(&'static str, String)> {
    let row = json!({"goal": "Dry a cup", "sol1": "Wipe it.", "sol2": "Fill it", "label": 0});
    vec![("piqa.jsonl", lines([row]))]
}

fn boolq() -> Vec<(&'static str, String)> {
    let row = json!({"question": "is it so", "passage": "So -- It is so.", "answer": true});
    vec![("boolq.jsonl", lines([row]))]
}

/// Choices and scope of a row.
fn choices(suite: &Suite, row: usize) -> (Vec<&str>, Scope) {
    match &suite.rows()[row].request {
        Request::Choose { choices, scope, .. } => {
            (choices.iter().map(String::as_str).collect(), *scope)
        }
        other => panic!("{other:?}"),
    }
}

/// Stop texts and most tokens of a row.
fn limits(suite: &Suite, row: usize) -> (Vec<&str>, usize) {
    match &suite.rows()[row].request {
        Request::Generate {
            stop,
            max_new_tokens,
            ..
        } => (stop.iter().map(String::as_str).collect(), *max_new_tokens),
        other => panic!("{other:?}"),
    }
}

/// What a row shares with others.
fn shared(suite: &Suite, row: usize) -> &str {
    match &suite.rows()[row].request {
        Request::Generate { prompt, .. } | Request::Choose { prompt, .. } => &prompt.shared,
        Request::Loss { .. } => "",
    }
}
