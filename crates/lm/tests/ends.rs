//! The tokens that end an answer or a generated text, and tokens that the model has no embedding for.

use crate::common::cases::{
    Folder, RELATIVE, close, llama, rows, t5, t5_tokenizer, tokenizer, tokenizer_with, with,
};
use lm::LmError;
use serde_json::{Value, json};

fn folder(changes: Value, tokenizer: &Value) -> Folder {
    Folder::new(&with(&llama(), changes), "llama.safetensors", tokenizer)
}

#[test]
fn the_tokenizers_own_end_token_ends_an_answer() {
    let absent = || folder(json!({"eos_token_id": null}), &tokenizer());
    let named = |text: &str| {
        let folder = absent();
        folder.write("tokenizer_config.json", text);
        folder
    };
    let listed = folder(json!({"eos_token_id": [5, 2]}), &tokenizer());
    listed.write("generation_config.json", "{\"eos_token_id\": [7, 2]}");
    let both = folder(json!({"eos_token_id": 2}), &tokenizer());
    both.write("generation_config.json", "{\"eos_token_id\": [7, 2]}")
        .write("tokenizer_config.json", "{\"eos_token\": \"</s>\"}");
    let mapped = absent();
    mapped
        .write("tokenizer_config.json", "{\"eos_token\": null}")
        .write(
            "special_tokens_map.json",
            "{\"eos_token\": {\"content\": \"<s>\"}}",
        );
    let generated = absent();
    generated.write("generation_config.json", "{\"eos_token_id\": 9}");
    let cases: [(&str, Folder, &[u32]); 6] = [
        ("a name", named("{\"eos_token\": \"</s>\"}"), &[2]),
        (
            "an object",
            named("{\"eos_token\": {\"content\": \"</s>\"}}"),
            &[2],
        ),
        ("another file", mapped, &[1]),
        ("lists", listed, &[5, 7, 2]),
        ("a name and lists", both, &[2, 7]),
        ("one file", generated, &[9]),
    ];
    for (case, folder, expected) in cases {
        let tokenizer = folder.tokenizer().unwrap();
        assert_eq!(tokenizer.stop_tokens(), expected, "{case}");
        assert_eq!(tokenizer.end_token(), expected[0], "{case}");
        assert!(tokenizer.warnings().is_empty(), "{case}");
    }
    // The end token is learned too.
    let step = named("{\"eos_token\": \"</s>\"}").step(&rows());
    assert_eq!(step.tokens, 146);
    close("loss", step.loss, 6.383375, RELATIVE);
}

#[test]
fn an_unnamed_end_token_is_the_default_of_its_class_with_a_warning() {
    let mut model = with(&llama(), json!({"eos_token_id": null}));
    for class in ["llama", "mistral"] {
        model["model_type"] = json!(class);
        let folder = Folder::new(&model, "llama.safetensors", &tokenizer());
        let tokenizer = folder.tokenizer().unwrap();
        assert_eq!(tokenizer.stop_tokens(), [2]);
        let [warning] = tokenizer.warnings() else {
            panic!("{:?}", tokenizer.warnings());
        };
        for word in ["token 2", "</s>", class] {
            assert!(warning.contains(word), "no {word} in {warning}");
        }
    }
    let config = with(&t5(), json!({"eos_token_id": null}));
    let folder = Folder::new(&config, "t5-own-head.safetensors", &t5_tokenizer());
    assert_eq!(folder.tokenizer().unwrap().stop_tokens(), [1]);
    // Another family has no default.
    model["model_type"] = json!("other");
    let folder = Folder::new(&model, "llama.safetensors", &tokenizer());
    let error = folder.tokenizer().err().unwrap();
    assert!(matches!(error, LmError::EndToken { .. }), "{error}");
}

#[test]
fn an_end_token_that_the_tokenizer_lacks_is_refused() {
    let files = [
        (
            "tokenizer_config.json",
            "{\"eos_token\": \"<|end|>\"}",
            "<|end|>",
        ),
        ("tokenizer_config.json", "{\"eos_token\": 2}", "eos_token"),
        ("special_tokens_map.json", "{\"eos_token\": {}}", "content"),
        (
            "generation_config.json",
            "{\"eos_token_id\": \"</s>\"}",
            "eos_token_id",
        ),
        (
            "generation_config.json",
            "{\"eos_token_id\": [2, -1]}",
            "eos_token_id",
        ),
    ];
    for (file, text, word) in files {
        let folder = folder(json!({}), &tokenizer());
        folder.write(file, text);
        let error = folder.tokenizer().err().unwrap().to_string();
        for word in [file, word] {
            assert!(error.contains(word), "{text}: no {word} in {error}");
        }
    }
    // 260 has an embedding, but the tokenizer's tokens end at 258.
    let error = folder(json!({"eos_token_id": 260}), &tokenizer()).tokenizer();
    let error = error.err().unwrap();
    assert!(matches!(error, LmError::EndToken { .. }), "{error}");
    assert!(error.to_string().contains("260"), "{error}");
}

#[test]
fn errors_name_tokens_without_an_embedding() {
    let refused = |folder: &Folder, words: &[&str]| {
        let error = folder.tokenizer().err().unwrap();
        assert!(
            matches!(error, LmError::TokenBeyondEmbeddings { .. }),
            "{error}"
        );
        let error = error.to_string();
        for word in words {
            assert!(error.contains(word), "no {word} in {error}");
        }
    };
    refused(
        &folder(json!({"eos_token_id": 32000}), &tokenizer()),
        &["config.json", "32000", "264"],
    );
    let generating = folder(json!({}), &tokenizer());
    generating.write("generation_config.json", "{\"eos_token_id\": [2, 264]}");
    refused(&generating, &["generation_config.json", "264"]);
    // Fewer tokens than embeddings, but the id of one token is too large.
    let mut holes = tokenizer();
    holes["model"]["vocab"]["<|im_end|>"] = json!(300);
    refused(
        &folder(json!({}), &holes),
        &["tokenizer.json", "300", "<|im_end|>", "264"],
    );
}

#[test]
fn the_tokenizers_suffix_is_not_between_prompt_and_answer() {
    let framed = tokenizer_with(&["<s>"], &["</s>"]);
    let plain = folder(json!({}), &tokenizer()).step(&rows());
    let step = folder(json!({}), &framed).step(&rows());
    assert_eq!((plain.tokens, step.tokens), (146, 146));
    assert_eq!(step.loss, plain.loss);
    // In T5, it ends both texts.
    let t5 = Folder::new(&t5(), "t5-own-head.safetensors", &t5_tokenizer());
    let example = t5.tokenizer().unwrap().example("ab", "c", 9).unwrap();
    assert_eq!(
        (example.prompt.last(), example.answer.last()),
        (Some(&2), Some(&2))
    );
}

#[test]
fn the_tokenizer_alone_decides_which_tokens_are_added() {
    let cases = [
        (tokenizer_with(&[], &[]), "add_bos_token", true, true),
        (tokenizer(), "add_bos_token", false, true),
        (tokenizer(), "add_eos_token", true, true),
        (
            tokenizer_with(&["<s>"], &["</s>"]),
            "add_eos_token",
            false,
            true,
        ),
        (tokenizer(), "add_bos_token", true, false),
        (tokenizer(), "add_eos_token", false, false),
    ];
    for (json, key, value, warns) in cases {
        let folder = folder(json!({}), &json);
        let alone = folder.tokenizer().unwrap().row("ab", "c").unwrap();
        folder.write("tokenizer_config.json", &json!({key: value}).to_string());
        let tokenizer = folder.tokenizer().unwrap();
        assert_eq!(tokenizer.row("ab", "c").unwrap(), alone);
        match (tokenizer.warnings(), warns) {
            ([], false) => {}
            ([warning], true) => {
                assert!(warning.contains(key) && warning.contains("tokenizer.json"));
            }
            (other, _) => panic!("{key} {value}: {other:?}"),
        }
    }
    let silent = Folder::new(&t5(), "t5-own-head.safetensors", &tokenizer_with(&[], &[]));
    let tokenizer = silent.tokenizer().unwrap();
    assert!(tokenizer.warnings()[0].contains("behind a text"));
}

#[test]
fn an_added_token_without_an_embedding_is_refused_in_texts_alone() {
    let mut added = tokenizer();
    let tokens = added["added_tokens"].as_array_mut().unwrap();
    tokens.push(json!({
        "id": 259, "content": "<image>", "special": true, "single_word": false,
        "lstrip": false, "rstrip": false, "normalized": false
    }));
    let read = folder(json!({"vocab_size": 259}), &added)
        .tokenizer()
        .unwrap();
    let warnings = read.warnings().join(" ");
    assert!(
        warnings.contains("<image>") && warnings.contains("no embedding"),
        "{warnings}"
    );
    assert!(read.encode("plain", true).is_ok());
    let error = read
        .encode("an <image> here", true)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("<image>") && error.contains("259"),
        "{error}"
    );
}

#[test]
fn the_token_by_which_the_template_ends_an_answer_stops_generation() {
    let with_template = |template: &str| {
        let folder = folder(json!({"eos_token_id": 2}), &tokenizer());
        folder.write("chat_template.jinja", template);
        folder.tokenizer().unwrap()
    };
    let turns = |end: &str| {
        format!(
            "{{% for m in messages %}}{{{{ m.role }}}}: {{{{ m.content }}}}{end}\n{{% endfor %}}"
        )
    };
    let unlisted = with_template(&turns("<s>"));
    assert_eq!(unlisted.stop_tokens(), [2, 1]);
    assert_eq!(unlisted.end_token(), 2);
    let warnings = unlisted.warnings().join("\n");
    assert!(
        warnings.contains("ends an answer with \"<s>\""),
        "{warnings}"
    );
    // Listed already; no special token; a template with a mistake, which is reported where it is used.
    for template in [&turns("</s>"), &turns("."), "{% for"] {
        let tokenizer = with_template(template);
        assert_eq!(tokenizer.stop_tokens(), [2], "{template}");
        assert!(tokenizer.warnings().is_empty(), "{template}");
    }
}
