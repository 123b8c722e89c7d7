//! Configurations and files that ask for care: what the reference ignores, what nobody reads, what is no
//! model file at all. The losses are those of transformers 5.24.

#![allow(clippy::unwrap_used)]

mod common;

use common::cases::{Folder, RELATIVE, close, llama, long_rows, tokenizer, with};
use serde_json::{Value, json};

fn folder(changes: Value) -> Folder {
    Folder::new(&with(&llama(), changes), "llama.safetensors", &tokenizer())
}

#[test]
fn rope_scaling_is_read_under_both_names_of_its_kind() {
    let scaled = |scaling: Value| {
        folder(json!({"rope_parameters": null, "rope_theta": 10000.0, "rope_scaling": scaling}))
    };
    let both = scaled(json!({"type": "linear", "rope_type": "linear", "factor": 4.0}));
    let loss = both.step(&long_rows(3)).loss;
    close("linear", loss, 6.483675, RELATIVE);
    for same in [
        scaled(json!({"type": "linear", "factor": 4.0})),
        scaled(json!({"rope_type": "linear", "factor": 4.0})),
        folder(json!({"rope_parameters":
            {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}})),
        // Both places, which agree.
        folder(json!({
            "rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0},
            "rope_theta": 10000.0,
            "rope_scaling": {"type": "linear", "factor": 4.0}
        })),
    ] {
        assert_eq!(same.step(&long_rows(3)).loss, loss);
    }
}

#[test]
fn rope_parameters_that_are_missing_or_wrong_are_named() {
    let llama3 = |key: &str, value: Value| {
        let mut scaling = json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 64});
        scaling[key] = value;
        scaling
    };
    let cases = [
        (json!({"type": "linear"}), vec!["lacks factor"]),
        (
            json!({"type": "linear", "rope_type": "llama3"}),
            vec!["linear", "llama3", "contradict"],
        ),
        (json!({"type": "linear", "factor": 0.0}), vec!["factor = 0"]),
        (
            json!({"type": "linear", "factor": -4.0}),
            vec!["factor = -4"],
        ),
        (json!({"factor": 4.0}), vec!["rope_type"]),
        (
            json!({"type": "yarn", "factor": 4.0}),
            vec!["yarn", "llama3"],
        ),
        (
            json!({"rope_type": "llama3", "factor": 8.0}),
            vec!["low_freq_factor", "high_freq_factor"],
        ),
        (llama3("factor", json!(null)), vec!["lacks factor"]),
        (
            llama3("low_freq_factor", json!(0.0)),
            vec!["low_freq_factor = 0"],
        ),
        (
            llama3("high_freq_factor", json!(1.0)),
            vec!["high_freq_factor = 1"],
        ),
        (
            llama3("original_max_position_embeddings", json!(0)),
            vec!["original_max_position"],
        ),
        (json!({"rope_theta": 0.0}), vec!["rope_theta = 0"]),
    ];
    for (scaling, words) in cases {
        let folder = folder(json!({"rope_parameters": null, "rope_scaling": scaling.clone()}));
        let error = folder.load().unwrap_err().to_string();
        for word in words.iter().chain(&["config.json"]) {
            assert!(error.contains(word), "{scaling}: no {word} in {error}");
        }
    }
    for (changes, words) in [
        (
            json!({"rope_scaling": {"type": "linear", "factor": 4.0}}),
            ["rope_type", "default"],
        ),
        (json!({"rope_theta": 500000.0}), ["rope_theta", "500000"]),
    ] {
        let error = folder(changes).load().unwrap_err().to_string();
        for word in words.iter().chain(&["contradict"]) {
            assert!(error.contains(word), "no {word} in {error}");
        }
    }
}
