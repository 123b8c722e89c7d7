//! What is learned of a conversation, whatever a template puts around its turns.

use std::path::Path;

use crate::common::cases::{Folder, llama, tokenizer};
use lm::chat::{ChatTemplate, Conversation, Mask};
use serde_json::{Map, Value, json};

/// The text that is learned of a conversation, turn by turn, and the number of turns that are not.
fn learned(template: &str, messages: &Value) -> (Vec<String>, usize) {
    let tokenizer = Folder::new(&llama(), "llama.safetensors", &tokenizer());
    let tokenizer = tokenizer.tokenizer().unwrap();
    let day = chrono::NaiveDate::MIN;
    let template = ChatTemplate::new(template, Path::new("t"), Map::new(), day).unwrap();
    let conversation = Conversation::new(messages, None).unwrap();
    let tokens = template.tokens(&conversation, &tokenizer, Mask::Assistant);
    let tokens = tokens.unwrap();
    let mut turns: Vec<Vec<u32>> = vec![Vec::new()];
    for (&id, &counts) in tokens.ids.iter().zip(&tokens.mask) {
        match counts {
            true => turns.last_mut().unwrap().push(id),
            false if turns.last().unwrap().is_empty() => {}
            false => turns.push(Vec::new()),
        }
    }
    turns.retain(|turn| !turn.is_empty());
    let texts = turns
        .iter()
        .map(|ids| tokenizer.decode(ids, false).unwrap());
    (texts.collect(), tokens.rewritten_turns)
}

fn turns() -> Value {
    json!([
        {"role": "user", "content": "one"}, {"role": "assistant", "content": "1"},
        {"role": "user", "content": "two"}, {"role": "assistant", "content": "2"}
    ])
}

#[test]
fn what_ends_a_conversation_is_no_part_of_its_turns() {
    let template = "{% for m in messages %}{{ '[' + m.role + ']' + m.content + ';' }}{% endfor %}\
                    {% if add_generation_prompt %}{{ '[assistant]' }}{% else %}{{ '</s>' }}{% endif %}";
    let expected = vec!["1;".to_string(), "2;</s>".to_string()];
    assert_eq!(learned(template, &turns()), (expected, 0));
}

#[test]
fn a_thought_that_only_a_new_answer_begins_with_is_not_missed() {
    let template = "{% for m in messages %}{{ '[' + m.role + ']' + m.content + ';' }}{% endfor %}\
                    {% if add_generation_prompt %}{{ '[assistant]<think>' }}{% endif %}";
    let expected = vec!["1;".to_string(), "2;".to_string()];
    assert_eq!(learned(template, &turns()), (expected, 0));
}

#[test]
fn a_turn_whose_thought_is_dropped_later_is_read_and_not_learned() {
    let template = "{% for m in messages %}{{ '[' + m.role + ']' }}\
                    {% if m.role == 'assistant' and loop.last %}{{ 'hm.' }}{% endif %}\
                    {{ m.content + ';' }}{% endfor %}\
                    {% if add_generation_prompt %}{{ '[assistant]' }}{% endif %}";
    assert_eq!(learned(template, &turns()), (vec!["hm.2;".to_string()], 1));
    // Equal turns are told apart too.
    let mut equal = turns();
    equal[3]["content"] = json!("1");
    assert_eq!(learned(template, &equal), (vec!["hm.1;".to_string()], 1));
}
