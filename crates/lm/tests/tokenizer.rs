//! How rows are framed and cut.

use std::path::{Path, PathBuf};

use lm::{Example, Framing, LmError, Lost, TextTokenizer};
use serde_json::{Value, json};

/// A tokenizer whose ids are the numbers in the text; 1 begins a text if `begins`, 2 ends it.
fn tokenizer(begins: bool) -> TextTokenizer {
    let frame = json!([{"SpecialToken": {"id": "<s>", "type_id": 0}}, sequence("A")]);
    open(begins.then_some(frame), Framing::Continuation)
}

/// A tokenizer as T5's: 2 ends every text and is part of it.
fn text_to_text() -> TextTokenizer {
    let frame = json!([sequence("A"), {"SpecialToken": {"id": "</s>", "type_id": 0}}]);
    open(Some(frame), Framing::TextToText)
}

fn sequence(id: &str) -> Value {
    json!({"Sequence": {"id": id, "type_id": 0}})
}

/// A tokenizer that begins every text with 1 and ends it with 2; a continuation must not contain the latter.
fn framed_on_both_sides(framing: Framing) -> TextTokenizer {
    let special = |token: &str| json!({"SpecialToken": {"id": token, "type_id": 0}});
    let frame = json!([special("<s>"), sequence("A"), special("</s>")]);
    open(Some(frame), framing)
}

fn open(frame: Option<Value>, framing: Framing) -> TextTokenizer {
    let folder = tempfile::tempdir().unwrap();
    let path = write(frame, folder.path());
    TextTokenizer::open(&path, vec![2, 9], framing).unwrap()
}

fn write(frame: Option<Value>, folder: &Path) -> PathBuf {
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
    let path = folder.join("tokenizer.json");
    std::fs::write(&path, file.to_string()).unwrap();
    path
}

#[test]
fn a_row_that_fits_is_framed_and_ignores_the_files_own_limit() {
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
    // There is no room for the end token, which is then not learned.
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
    // At least one token stays to continue from.
    assert_eq!(tokenizer.prompt("3 4 5 6", 2, 9).unwrap(), [1]);
}

#[test]
fn special_tokens_are_shown_only_if_asked_for() {
    let tokenizer = tokenizer(true);
    assert_eq!(tokenizer.stop_tokens(), [2, 9]);
    assert_eq!(tokenizer.end_token(), 2);
    assert!(tokenizer.warnings().is_empty());
    assert_eq!(tokenizer.decode(&[1, 3, 4, 2], true).unwrap(), "3 4");
    assert_eq!(
        tokenizer.decode(&[1, 3, 4, 2], false).unwrap(),
        "<s> 3 4 </s>"
    );
}

#[test]
fn text_to_text_cuts_the_ends_of_both_texts() {
    let tokenizer = text_to_text();
    let cut = |length: usize| {
        let row = tokenizer.example("3 4 5 6", "7 8", length).unwrap();
        (row.prompt, row.answer)
    };
    assert_eq!(cut(5), (vec![3, 4, 5, 6, 2], vec![7, 8, 2]));
    assert_eq!(cut(3), (vec![3, 4, 2], vec![7, 8, 2]));
    assert_eq!(cut(2), (vec![3, 2], vec![7, 2]));
    // The answer does not shorten the prompt.
    assert_eq!(tokenizer.prompt("3 4 5 6", 4, 9).unwrap(), [3, 4, 5, 2]);
}

#[test]
fn a_plain_text_becomes_an_example_as_the_framing_says() {
    let row = tokenizer(true).text("3 4 5", 3, 0).unwrap();
    assert_eq!((row.prompt, row.answer), (vec![], vec![1, 3, 4]));
    // Without sentinels, the second half answers the first.
    let row = text_to_text().text("3 4 5 6 7", 5, 0).unwrap();
    assert_eq!((row.prompt, row.answer), (vec![3, 4, 2], vec![5, 6, 2]));
}

#[test]
fn the_tokenizers_suffix_is_added_to_whole_texts_only() {
    let tokenizer = framed_on_both_sides(Framing::Continuation);
    assert_eq!(tokenizer.encode("3 4", true).unwrap(), [1, 3, 4, 2]);
    let row = tokenizer.row("3 4", "5").unwrap();
    assert_eq!((row.prompt, row.answer), (vec![1, 3, 4], vec![5]));
    let row = tokenizer.example("3 4", "5", 9).unwrap();
    assert_eq!((row.prompt, row.answer), (vec![1, 3, 4], vec![5, 2]));
    let row = tokenizer.example("3 4 6", "5", 3).unwrap();
    assert_eq!((row.prompt, row.answer), (vec![1, 6], vec![5]));
    assert_eq!(tokenizer.prompt("3 4", 9, 1).unwrap(), [1, 3, 4]);

    let tokenizer = framed_on_both_sides(Framing::TextToText);
    let cut = |length: usize| {
        let row = tokenizer.example("3 4 6", "5", length).unwrap();
        (row.prompt, row.answer)
    };
    assert_eq!(cut(9), (vec![1, 3, 4, 6, 2], vec![1, 5, 2]));
    assert_eq!(cut(4), (vec![1, 3, 4, 2], vec![1, 5, 2]));
    assert_eq!(cut(1), (vec![2], vec![2]));
    assert_eq!(tokenizer.prompt("3 4", 3, 1).unwrap(), [1, 3, 2]);
}

/// Compares the counts with those from comparing whole and cut texts token by token.
#[test]
fn lost_counts_only_the_texts_own_tokens() {
    let (prompt, answer) = ("3 4 5 6", "7 8");
    let own_tokens = |tokens: &[u32]| tokens.iter().filter(|&&token| token > 2).count();
    for (tokenizer, ends) in [
        (tokenizer(true), true),
        (tokenizer(false), true),
        (framed_on_both_sides(Framing::Continuation), true),
        (text_to_text(), true),
        (framed_on_both_sides(Framing::TextToText), true),
        (open(None, Framing::TextToText), false),
    ] {
        let row = tokenizer.row(prompt, answer).unwrap();
        assert_eq!((row.prompt_tokens, row.answer_tokens), (4, 2));
        for length in 0..12 {
            let (example, lost) = tokenizer.fit(&row, length);
            assert_eq!(example, tokenizer.example(prompt, answer, length).unwrap());
            let expected = Lost {
                prompt: 4 - own_tokens(&example.prompt),
                answer: 2 - own_tokens(&example.answer),
                end: ends && example.answer.last() != Some(&2),
            };
            assert_eq!(lost, expected, "length {length}: {example:?}");
            assert_eq!(lost.any(), lost != Lost::default());

            let question = tokenizer.question(prompt).unwrap();
            let (cut, lost) = tokenizer.fit_question(&question, length, 2);
            assert_eq!(cut, tokenizer.prompt(prompt, length, 2).unwrap());
            assert_eq!(lost, 4 - own_tokens(&cut), "length {length}: {cut:?}");
        }
    }
}

#[test]
fn several_threads_can_share_a_tokenizer() {
    let tokenizer = tokenizer(true);
    let texts: Vec<String> = (3..40).map(|id| format!("{id} {id}")).collect();
    let rows = |texts: &[String]| -> Vec<Example> {
        let rows = texts.iter().map(|text| tokenizer.example(text, text, 9));
        rows.collect::<Result<_, _>>().unwrap()
    };
    let expected = rows(&texts);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| rows(&texts))).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), expected);
        }
    });
}

#[test]
fn the_end_token_must_be_in_the_tokenizer() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(None, folder.path());
    for (stop_tokens, words) in [(vec![], "no token"), (vec![77, 2], "token 77")] {
        let result = TextTokenizer::open(&path, stop_tokens, Framing::Continuation);
        let error = result.err().unwrap();
        assert!(matches!(error, LmError::Tokenizer { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}
