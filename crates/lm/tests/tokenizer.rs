//! How rows are framed and cut.

#![allow(clippy::unwrap_used)]

use lm::{Framing, TextTokenizer};
use serde_json::{Value, json};

/// Ids are the numbers in the text; 1 begins a text if `begins`, 2 ends it.
fn tokenizer(begins: bool) -> TextTokenizer {
    let frame = json!([{"SpecialToken": {"id": "<s>", "type_id": 0}}, sequence("A")]);
    open(begins.then_some(frame), Framing::Continuation)
}

/// 2 ends every text, and is part of it, as in T5.
fn text_to_text() -> TextTokenizer {
    let frame = json!([sequence("A"), {"SpecialToken": {"id": "</s>", "type_id": 0}}]);
    open(Some(frame), Framing::TextToText)
}

fn sequence(id: &str) -> Value {
    json!({"Sequence": {"id": id, "type_id": 0}})
}

fn open(frame: Option<Value>, framing: Framing) -> TextTokenizer {
    let mut vocabulary: serde_json::Map<_, _> =
        (3..40).map(|id| (id.to_string(), json!(id))).collect();
    vocabulary.insert("<s>".to_string(), json!(1));
    vocabulary.insert("</s>".to_string(), json!(2));
    let special = |id: u32, content: &str| {
        json!({"id": id, "content": content, "special": true, "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": false})
    };
    let token = |text: &str, id: u32| json!({"id": text, "ids": [id], "tokens": [text]});
    let frame = frame.map(|single| {
        json!({
            "type": "TemplateProcessing",
            "single": single,
            "pair": [sequence("A"), sequence("B")],
            "special_tokens": {"<s>": token("<s>", 1), "</s>": token("</s>", 2)}
        })
    });
    let file = json!({
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0},
        "padding": null, "normalizer": null, "decoder": null,
        "added_tokens": [special(1, "<s>"), special(2, "</s>")],
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": frame,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "</s>"}
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, file.to_string()).unwrap();
    TextTokenizer::open(&path, vec![2, 9], framing).unwrap()
}

#[test]
fn a_row_that_fits_is_framed_whatever_limit_the_file_names() {
    let row = tokenizer(true).example("3 4 5", "6 7", 20).unwrap();
    assert_eq!((row.prompt, row.answer), (vec![1, 3, 4, 5], vec![6, 7, 2]));
    let row = tokenizer(false).example("3 4 5", "6 7", 20).unwrap();
    assert_eq!((row.prompt, row.answer), (vec![3, 4, 5], vec![6, 7, 2]));
}

#[test]
fn a_row_over_the_limit_loses_the_beginning_of_its_prompt() {
    let cut = |length: usize| {
        let row = tokenizer(true).example("3 4 5 6", "7 8", length).unwrap();
        (row.prompt, row.answer)
    };
    assert_eq!(cut(8), (vec![1, 3, 4, 5, 6], vec![7, 8, 2]));
    // No room for the end of the text, which is then not learned.
    assert_eq!(cut(7), (vec![1, 3, 4, 5, 6], vec![7, 8]));
    assert_eq!(cut(5), (vec![1, 5, 6], vec![7, 8]));
    assert_eq!(cut(3), (vec![1], vec![7, 8]));
    assert_eq!(cut(2), (vec![], vec![7, 8]));
    assert_eq!(cut(1), (vec![], vec![7]));
}

#[test]
fn a_prompt_leaves_room_for_its_answer() {
    let tokenizer = tokenizer(true);
    assert_eq!(tokenizer.prompt("3 4 5 6", 8, 2).unwrap(), [1, 3, 4, 5, 6]);
    assert_eq!(tokenizer.prompt("3 4 5 6", 5, 2).unwrap(), [1, 5, 6]);
    // Never without a token to continue from.
    assert_eq!(tokenizer.prompt("3 4 5 6", 2, 9).unwrap(), [1]);
}

#[test]
fn special_tokens_are_shown_only_if_asked_for() {
    let tokenizer = tokenizer(true);
    assert_eq!(tokenizer.stop_tokens(), [2, 9]);
    assert_eq!(tokenizer.decode(&[1, 3, 4, 2], true).unwrap(), "3 4");
    assert_eq!(
        tokenizer.decode(&[1, 3, 4, 2], false).unwrap(),
        "<s> 3 4 </s>"
    );
}

#[test]
fn text_to_text_is_two_texts_that_lose_their_ends() {
    let tokenizer = text_to_text();
    let cut = |length: usize| {
        let row = tokenizer.example("3 4 5 6", "7 8", length).unwrap();
        (row.prompt, row.answer)
    };
    assert_eq!(cut(5), (vec![3, 4, 5, 6, 2], vec![7, 8, 2]));
    assert_eq!(cut(3), (vec![3, 4, 2], vec![7, 8, 2]));
    assert_eq!(cut(2), (vec![3, 2], vec![7, 2]));
    // The answer takes no room from the prompt.
    assert_eq!(tokenizer.prompt("3 4 5 6", 4, 9).unwrap(), [3, 4, 5, 2]);
}

#[test]
fn a_text_is_to_be_predicted_as_the_family_reads_it() {
    let row = tokenizer(true).text("3 4 5", 3, 0).unwrap();
    assert_eq!((row.prompt, row.answer), (vec![], vec![1, 3, 4]));
    // Without sentinels the second half answers the first.
    let row = text_to_text().text("3 4 5 6 7", 5, 0).unwrap();
    assert_eq!((row.prompt, row.answer), (vec![3, 4, 2], vec![5, 6, 2]));
}
