//! Conversations as text, tokens and masks, as transformers makes them (`chat` in the fixtures).

use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use integration_tests::fixture;
use lm::chat::{ChatTemplate, Conversation, Mask};
use lm::{Framing, TextTokenizer};
use serde_json::{Map, Value};

fn read(path: PathBuf) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn special_tokens(folder: &Path) -> Map<String, Value> {
    let config = read(folder.join("tokenizer_config.json"));
    let tokens = config.as_object().unwrap().iter();
    let tokens = tokens.filter(|(name, _)| name.ends_with("_token"));
    tokens.map(|(k, v)| (k.clone(), v.clone())).collect()
}

#[test]
fn parity_of_chat_templates() {
    let Some(folder) = fixture("chat") else {
        return;
    };
    let templates = read(folder.join("templates.json"));
    let specials = special_tokens(&folder);
    let tokenizer = folder.join("tokenizer.json");
    let tokenizer = TextTokenizer::open(&tokenizer, vec![4], Framing::Continuation).unwrap();
    let day = NaiveDate::from_ymd_opt(2026, 11, 27).unwrap();
    let mut learned = 0;
    let cases = read(folder.join("cases.json"));
    for case in cases.as_array().unwrap() {
        let name = case["template"].as_str().unwrap();
        let what = format!("{name}, {}", case["name"]);
        let source = templates[name].as_str().unwrap();
        let template = ChatTemplate::new(source, Path::new(name), specials.clone(), day).unwrap();
        let conversation = Conversation::new(&case["messages"], case.get("tools")).unwrap();
        let tokens = template.tokens(&conversation, &tokenizer, Mask::Assistant);
        if let Some(error) = case["error"].as_str() {
            let found = tokens.unwrap_err().to_string();
            assert!(found.ends_with(error), "{what}: {found}");
            continue;
        }
        let answered = case["add_generation_prompt"].as_bool().unwrap_or(false);
        let text = template.render(&conversation, answered).unwrap();
        assert_eq!(text, case["text"].as_str().unwrap(), "{what}");
        let expected: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
        if answered {
            let ids = template.question(&conversation, &tokenizer).unwrap();
            assert_eq!(ids, expected, "{what}");
            continue;
        }
        let tokens = tokens.unwrap();
        assert_eq!(tokens.ids, expected, "{what}");
        let mask: Vec<u8> = tokens.mask.iter().map(|&counts| u8::from(counts)).collect();
        let expected: Vec<u8> = serde_json::from_value(case["assistant_mask"].clone()).unwrap();
        assert_eq!(mask, expected, "{what}: {:?}", tokens.ids);
        learned += tokens.into_example().counted().count();
    }
    assert!(learned > 100, "the cases hold answers");
}
