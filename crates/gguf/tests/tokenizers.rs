//! Vocabularies: the same ids as from the library that each was made with.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Draft, fixture, json, words};
use gguf::{Gguf, GgufError, TokenizerFiles, Value};
use serde_json::{Value as Json, json};
use tokenizers::Tokenizer;

fn loaded(files: &TokenizerFiles) -> Tokenizer {
    Tokenizer::from_bytes(files.tokenizer.to_string()).unwrap()
}

fn ids(list: &Json) -> Vec<u32> {
    serde_json::from_value(list.clone()).unwrap()
}

#[test]
fn every_rule_for_dividing_texts_gives_the_ids_of_the_reference() {
    let expected = json(&fixture("byte-level.json"));
    let draft = Draft::of(&fixture("byte-level.gguf"));
    let rules = expected["ids"].as_object().unwrap();
    assert_eq!(rules.len(), 9);
    for (rule, lists) in rules {
        let written = draft.clone().set("tokenizer.ggml.pre", words(rule)).write();
        let files = Gguf::open(&written.path).unwrap().tokenizer().unwrap();
        let tokenizer = loaded(&files);
        let texts = expected["texts"].as_array().unwrap();
        for (text, list) in texts.iter().zip(lists.as_array().unwrap()) {
            let text = text.as_str().unwrap();
            let found = tokenizer.encode(text, false).unwrap();
            assert_eq!(found.get_ids(), ids(list), "{rule}: {text:?}");
            // The rule that composes characters gives back another text.
            if rule != "qwen2" {
                assert_eq!(tokenizer.decode(found.get_ids(), false).unwrap(), text);
            }
        }
    }
}

#[test]
fn pieces_give_the_ids_of_sentencepiece() {
    for name in ["pieces-llama", "pieces-gemma"] {
        let expected = json(&fixture(&format!("{name}.json")));
        let file = Gguf::open(fixture(&format!("{name}.gguf"))).unwrap();
        let tokenizer = loaded(&file.tokenizer().unwrap());
        let texts = expected["texts"].as_array().unwrap();
        for (text, list) in texts.iter().zip(expected["ids"].as_array().unwrap()) {
            let text = text.as_str().unwrap();
            let found = tokenizer.encode(text, true).unwrap();
            assert_eq!(found.get_ids(), ids(list), "{name}: {text:?}");
            assert_eq!(
                tokenizer.decode(found.get_ids(), true).unwrap(),
                text,
                "{name}"
            );
        }
    }
}

#[test]
fn special_tokens_and_templates_are_named() {
    let draft = Draft::of(&fixture("byte-level.gguf"));
    let files = Gguf::open(draft.write().path).unwrap().tokenizer().unwrap();
    let added = files.tokenizer["added_tokens"].as_array().unwrap();
    let about = |token: &Json| (token["content"].clone(), token["special"].clone());
    let about: Vec<_> = added.iter().map(about).collect();
    let special = |token: &str| (json!(token), json!(true));
    let expected = [
        special("<|endoftext|>"),
        special("<|im_start|>"),
        special("<|im_end|>"),
        (json!("<think>"), json!(false)),
    ];
    assert_eq!(about, expected);
    let config = &files.tokenizer_config;
    assert_eq!(config["bos_token"], "<|endoftext|>");
    assert_eq!(config["eos_token"], "<|im_start|>");
    assert_eq!(config["pad_token"], Json::Null);
    assert_eq!(config["add_bos_token"], false);
    assert_eq!(config["chat_template"], "{{ messages[0].content }}");
    let ends = json!({"bos_token_id": 0, "eos_token_id": [1, 2]});
    assert_eq!(files.generation_config, ends);
}

#[test]
fn several_templates_become_a_list() {
    let names = gguf::Array::Texts(vec!["tool_use".to_string()]);
    let draft =
        Draft::of(&fixture("byte-level.gguf")).set("tokenizer.chat_templates", Value::Array(names));
    let error = Gguf::open(draft.write().path).unwrap().tokenizer();
    let error = error.unwrap_err();
    assert!(matches!(&error, GgufError::Metadata { key, .. } if key.ends_with(".tool_use")));
    let draft = draft.set("tokenizer.chat_template.tool_use", words("{{ tools }}"));
    let files = Gguf::open(draft.write().path).unwrap().tokenizer().unwrap();
    let expected = json!([
        {"name": "default", "template": "{{ messages[0].content }}"},
        {"name": "tool_use", "template": "{{ tools }}"},
    ]);
    assert_eq!(files.tokenizer_config["chat_template"], expected);
}

#[test]
fn tokens_are_put_around_texts_as_the_file_says() {
    let draft = Draft::of(&fixture("byte-level.gguf"));
    let around = |draft: Draft| {
        let files = Gguf::open(draft.write().path).unwrap().tokenizer().unwrap();
        let single = loaded(&files).encode("a", true).unwrap();
        let pair = loaded(&files).encode(("a", "a"), true).unwrap();
        let ids = |encoding: tokenizers::Encoding| {
            let ids = encoding.get_ids().iter();
            ids.map(|id| (*id < 2).then_some(*id)).collect::<Vec<_>>()
        };
        (ids(single), ids(pair))
    };
    let flags = |begin: Option<bool>, end: Option<bool>| {
        let draft = draft.clone();
        let draft = draft.set("tokenizer.ggml.add_bos_token", begin.map(Value::Bool));
        draft.set("tokenizer.ggml.add_eos_token", end.map(Value::Bool))
    };
    let (begin, end) = (Some(0), Some(1));
    assert_eq!(around(flags(None, None)).0, [None]);
    assert_eq!(around(flags(Some(true), None)).0, [begin, None]);
    let both = around(flags(Some(true), Some(true)));
    assert_eq!(both.0, [begin, None, end]);
    assert_eq!(both.1, [begin, None, end, begin, None, end]);
    // Llama 3's rule adds a begin-of-text token unless the file says otherwise.
    let llama3 = |draft: Draft| draft.set("tokenizer.ggml.pre", words("llama-bpe"));
    assert_eq!(around(llama3(flags(None, None))).0, [begin, None]);
    assert_eq!(around(llama3(flags(Some(false), None))).0, [None]);
}

#[test]
fn unknown_vocabularies_are_refused_by_name() {
    let draft = Draft::of(&fixture("byte-level.gguf"));
    for (key, name) in [
        ("tokenizer.ggml.model", "t5"),
        ("tokenizer.ggml.pre", "default"),
    ] {
        let written = draft.clone().set(key, words(name)).write();
        let error = Gguf::open(&written.path).unwrap().tokenizer().unwrap_err();
        match error {
            GgufError::Unsupported { what, found, .. } => {
                assert_eq!((what.as_str(), found.as_str()), (key, name));
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn contradictory_vocabularies_are_refused() {
    let draft = Draft::of(&fixture("byte-level.gguf"));
    let texts = |list: &[&str]| {
        let texts = list.iter().map(|text| text.to_string());
        Value::Array(gguf::Array::Texts(texts.collect()))
    };
    let cases = [
        ("tokenizer.ggml.merges", texts(&["a b", "nospace"])),
        ("tokenizer.ggml.merges", texts(&["a nothing"])),
        ("tokenizer.ggml.tokens", texts(&["a", "b"])),
        ("tokenizer.ggml.bos_token_id", Value::Unsigned(1 << 40)),
        ("tokenizer.ggml.bos_token_id", words("0")),
        ("tokenizer.ggml.add_bos_token", Value::Unsigned(1)),
        ("tokenizer.chat_template", Value::Bool(true)),
    ];
    let mut long = Draft::of(&fixture("pieces-llama.gguf"));
    let tokens = long.entries.iter_mut().find(|entry| entry.0 == cases[2].0);
    if let Some((_, Value::Array(gguf::Array::Texts(tokens)))) = tokens {
        tokens[300] = "a".repeat(2000);
    }
    let error = Gguf::open(long.write().path)
        .unwrap()
        .tokenizer()
        .unwrap_err();
    assert!(
        error.to_string().contains("token 300 has 2000 bytes"),
        "{error}"
    );
    for (key, value) in cases {
        let written = draft.clone().set(key, value).write();
        let error = Gguf::open(&written.path).unwrap().tokenizer().unwrap_err();
        assert!(
            matches!(error, GgufError::Metadata { .. }),
            "{key}: {error}"
        );
    }
}
