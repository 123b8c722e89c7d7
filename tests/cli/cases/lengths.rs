//! What does not fit, or is not read, is counted and said.

use serde_json::{Value, json};

use super::{Case, UNKNOWN, changed, llama, question, rows, t5};
use crate::{scratch, succeed};

#[test]
fn everything_that_is_cut_is_counted_and_said() {
    let long = " very long answer".repeat(20);
    let all: Vec<(String, &str)> = (0..1000)
        .map(|n| {
            (
                format!("Q{n}:"),
                if n % 10 == 0 { " x" } else { long.as_str() },
            )
        })
        .collect();
    let all: Vec<(&str, &str)> = all.iter().map(|(q, a)| (q.as_str(), *a)).collect();
    let case = changed(llama(), |case| {
        case.train = rows(&all);
        case.test = rows(&[
            (&question("2 or 1").repeat(3), " 2"),
            ("Say:", long.as_str()),
        ]);
        case.max_new_tokens = 60;
        case.arguments = vec!["--max-length", "64"];
    });
    let said = [
        "one: 900 of 1000 training rows do not fit into max_length = 64",
        "900 lose a part of the answer, 900 lose the token that ends the answer",
        "one: 1 of 2 test prompts loses a part",
        "one: answers end after 32 tokens instead of 60 (max_new_tokens)",
        "one: 1 of 2 test answers cannot be given in full",
    ];
    let folder = scratch();
    case.write(folder.path());
    let command = case.command();
    let validate = [&["validate", command[0]], &command[1..]].concat();
    let checked = succeed(folder.path(), &validate);
    let (_, shown) = changed(case, |case| {
        case.arguments.extend(["--limit-train", "20"]);
    })
    .run();
    for words in said {
        assert!(checked.contains(words), "no {words:?} in {checked}");
        let few = words
            .replace("900 of 1000", "18 of 20")
            .replace("900", "18");
        assert!(shown.contains(&few), "no {few:?} in {shown}");
    }
}

#[test]
fn prompt_and_answer_of_an_encoder_decoder_are_cut_apart() {
    let long = " very long answer".repeat(5);
    let case = changed(t5("t5-own-head.safetensors"), |case| {
        // 85 bytes and the end token; of the others prompt and answer fit, each by itself.
        case.train = rows(&[("Q0:", &long), (&question("1 or 2"), &"x".repeat(50))]);
        case.arguments = vec!["--max-length", "64"];
        case.max_new_tokens = 60;
    });
    let (_, shown) = case.run();
    let said = "one: 1 of 2 training rows does not fit into max_length = 64 (the longest has 86 tokens): \
                1 loses a part of the answer";
    assert!(shown.contains(said), "{shown}");
    // No answer takes room from a prompt.
    assert!(!shown.contains("answers end after"), "{shown}");
}

#[test]
fn rows_that_are_not_read_stop_no_run() {
    let case = changed(llama(), |case| case.validation = rows(&[("b:", UNKNOWN)]));
    let letters = |case: &mut Case| {
        case.tokenizer["model"]["vocab"] =
            json!({"<pad>": 0, "<s>": 1, "</s>": 2, "Q": 3, "b": 4, ":": 5});
        case.tokenizer["model"]["merges"] = json!([]);
        for part in ["pre_tokenizer", "post_processor", "decoder"] {
            case.tokenizer[part] = Value::Null;
        }
        case.train = rows(&[("Q:", "b")]);
        case.test = rows(&[("Qb:", "b")]);
    };
    let (_, shown) = changed(case, letters).run();
    let said = "data: one: validation row 0 (from 0): the tokenizer finds no token in the answer";
    assert!(shown.contains(said), "{shown}");
    assert!(shown.contains("this run does not read it"), "{shown}");
}
