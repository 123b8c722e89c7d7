//! How rows are framed and cut.

#![allow(clippy::unwrap_used)]

use lm::TextTokenizer;
use serde_json::json;

/// Ids are the numbers in the text; 1 begins a text if `begins`, 2 ends it.
fn tokenizer(begins: bool) -> TextTokenizer {
    let mut vocabulary: serde_json::Map<_, _> =
        (3..40).map(|id| (id.to_string(), json!(id))).collect();
    vocabulary.insert("<s>".to_string(), json!(1));
    vocabulary.insert("</s>".to_string(), json!(2));
    let special = |id: u32, content: &str| {
        json!({"id": id, "content": content, "special": true, "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": false})
    };
    let frame = json!({
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}
    });
    let file = json!({
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0},
        "padding": null, "normalizer": null, "decoder": null,
        "added_tokens": [special(1, "<s>"), special(2, "</s>")],
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": if begins { frame } else { json!(null) },
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "</s>"}
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, file.to_string()).unwrap();
    TextTokenizer::open(&path, vec![2, 9]).unwrap()
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
