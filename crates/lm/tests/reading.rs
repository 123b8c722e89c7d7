//! Unusual configurations and files: keys that the reference ignores, tensors that no model reads, files that
//! are not model files. The expected losses are those of transformers 5.24.

use crate::common;
use std::path::Path;

use crate::common::cases::{Folder, RELATIVE, close, llama, long_rows, rows, tokenizer, with};
use burn::tensor::Device;
use lm::{Decoder, LmError, Model, Pretrained};
use safetensors::Dtype;
use serde_json::{Value, json};

fn folder(changes: Value) -> Folder {
    Folder::new(&with(&llama(), changes), "llama.safetensors", &tokenizer())
}

fn one(warnings: &[String], words: &[&str]) {
    let [warning] = warnings else {
        panic!("{warnings:?}");
    };
    for word in words {
        assert!(warning.contains(word), "no {word} in {warning}");
    }
}

#[test]
fn rope_scaling_is_read_with_either_name_of_its_type() {
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
fn errors_name_missing_and_invalid_rope_parameters() {
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

#[test]
fn only_mistral_has_an_attention_window() {
    let step = folder(json!({"sliding_window": 8})).step(&long_rows(3));
    close("llama", step.loss, 6.372035, RELATIVE);
    one(&step.warnings, &["sliding_window = 8", "llama"]);

    let window = |found: Option<Value>| {
        let mut config = with(&llama(), json!({"model_type": "mistral"}));
        if let Some(found) = found {
            config["sliding_window"] = found;
        }
        let folder = Folder::new(&config, "llama.safetensors", &tokenizer());
        let loaded = folder.load().unwrap();
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        let Model::Decoder(model) = loaded.model else {
            panic!("no decoder");
        };
        model.parts().layers[0].window
    };
    assert_eq!(window(None), Some(4096));
    assert_eq!(window(Some(json!(6))), Some(6));
    assert_eq!(window(Some(Value::Null)), None);
    let empty = folder(json!({"model_type": "mistral", "sliding_window": 0}));
    assert!(
        empty
            .load()
            .unwrap_err()
            .to_string()
            .contains("sliding_window")
    );
    // The same for the number of key and value heads.
    let mut config = with(
        &llama(),
        json!({"model_type": "mistral", "num_key_value_heads": null}),
    );
    config["num_attention_heads"] = json!(16);
    let heads = |config: &Value| {
        let path = Path::new("config.json");
        let model = Decoder::from_config(config, path, &Device::flex()).unwrap();
        model.parts().attention.key_heads
    };
    assert_eq!(heads(&config), 8);
    config["num_key_value_heads"] = Value::Null;
    assert_eq!(heads(&config), 16);
    // Mistral's class has no biases.
    let biased = folder(json!({"model_type": "mistral", "attention_bias": true}));
    one(&biased.load().unwrap().warnings, &["attention_bias"]);
}

#[test]
fn quantized_weights_are_refused_with_the_name_of_the_method() {
    let folder = folder(json!({"quantization_config": {"quant_method": "gptq", "bits": 4}}));
    let error = folder.load().unwrap_err().to_string();
    for word in ["quantization_config", "gptq", "f32, bf16 or f16"] {
        assert!(error.contains(word), "no {word} in {error}");
    }
    let folder = self::folder(json!({}));
    let mut tensors = folder.tensors();
    let name = "model.layers.0.mlp.up_proj.weight";
    let (dtype, _, bytes) = tensors.get_mut(name).unwrap();
    *dtype = Dtype::I8;
    bytes.truncate(bytes.len() / 4);
    let error = folder
        .write_tensors(&tensors)
        .load()
        .unwrap_err()
        .to_string();
    for word in [name, "I8"] {
        assert!(error.contains(word), "no {word} in {error}");
    }
}

fn bias(width: usize, value: f32) -> (Dtype, Vec<usize>, Vec<u8>) {
    (Dtype::F32, vec![width], value.to_le_bytes().repeat(width))
}

#[test]
fn biases_that_the_files_lack_are_zero() {
    let folder = folder(json!({"attention_bias": true}));
    let mut tensors = folder.tensors();
    for layer in 0..2 {
        for (name, width) in [("q", 32), ("k", 16), ("v", 16)] {
            let name = format!("model.layers.{layer}.self_attn.{name}_proj.bias");
            tensors.insert(name, bias(width, 0.25));
        }
    }
    let step = folder.write_tensors(&tensors).step(&rows());
    let absent = "model.layers.0.self_attn.o_proj.bias, model.layers.1.self_attn.o_proj.bias";
    one(&step.warnings, &[absent, "0"]);
    for layer in 0..2 {
        let name = format!("model.layers.{layer}.self_attn.o_proj.bias");
        tensors.insert(name, bias(32, 0.0));
    }
    let whole = folder.write_tensors(&tensors).step(&rows());
    assert_eq!(whole.loss, step.loss);
    assert_eq!(whole.gradient_norm, step.gradient_norm);
    assert!(whole.warnings.is_empty());
    // The biases are trainable: the same model without biases has another gradient.
    let plain = self::folder(json!({})).step(&rows());
    assert_ne!(plain.loss, step.loss);
}

#[test]
fn warnings_name_unread_tensors() {
    let folder = folder(json!({}));
    let plain = folder.step(&rows());
    assert!(plain.warnings.is_empty());
    let mut tensors = folder.tensors();
    let names = [
        "model.layers.0.self_attn.k_proj.bias",
        "model.layers.0.self_attn.q_proj.bias",
    ];
    for name in names {
        tensors.insert(name.to_string(), bias(16, 1.0));
    }
    // Older files contain tensors that are computed from the configuration.
    let frequencies = "model.layers.0.self_attn.rotary_emb.inv_freq";
    tensors.insert(frequencies.to_string(), bias(4, 1.0));
    let step = folder.write_tensors(&tensors).step(&rows());
    assert_eq!(step.loss, plain.loss);
    one(&step.warnings, &names);
    assert!(!step.warnings[0].contains("inv_freq"));

    for index in 0..20 {
        tensors.insert(format!("other.{index:02}"), bias(1, 1.0));
    }
    let warnings = folder.write_tensors(&tensors).load().unwrap().warnings;
    one(&warnings, &["other.05", "and 14 more"]);

    let folder = self::folder(json!({}));
    folder.write("adapter_config.json", "{\"peft_type\": \"LORA\"}");
    let step = folder.step(&rows());
    assert_eq!(step.loss, plain.loss);
    one(&step.warnings, &["adapter_config.json", "not applied"]);
}

#[test]
fn errors_name_missing_tensors_and_wrong_shapes_as_the_file_does() {
    let folder = folder(json!({}));
    let mut tensors = folder.tensors();
    let removed = ["model.layers.1.input_layernorm.weight", "model.norm.weight"];
    for name in removed {
        tensors.remove(name);
    }
    match folder.write_tensors(&tensors).load().unwrap_err() {
        LmError::MissingTensors { names, .. } => assert_eq!(names, removed),
        other => panic!("unexpected {other}"),
    }
    let wide = self::folder(json!({"intermediate_size": 40}));
    let error = wide.load().unwrap_err().to_string();
    for word in [
        "model.layers.0.mlp.gate_proj.weight",
        "[48, 32]",
        "[40, 32]",
    ] {
        assert!(error.contains(word), "no {word} in {error}");
    }
    let folder = self::folder(json!({}));
    let mut tensors = folder.tensors();
    let (_, _, bytes) = tensors.get_mut("model.norm.weight").unwrap();
    bytes[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    let error = folder
        .write_tensors(&tensors)
        .load()
        .unwrap_err()
        .to_string();
    assert!(error.contains("model.norm.weight"), "{error}");
}

#[test]
fn a_file_of_the_blocks_alone_is_read_without_the_prefix() {
    let folder = folder(json!({}));
    let expected = folder.step(&rows()).loss;
    let tensors = folder.tensors().into_iter();
    let mut bare: common::cases::Tensors = tensors
        .map(|(name, tensor)| (name.trim_start_matches("model.").to_string(), tensor))
        .collect();
    assert_eq!(folder.write_tensors(&bare).step(&rows()).loss, expected);
    bare.remove("layers.0.mlp.up_proj.weight");
    match folder.write_tensors(&bare).load().unwrap_err() {
        LmError::MissingTensors { names, .. } => assert_eq!(names, ["layers.0.mlp.up_proj.weight"]),
        other => panic!("unexpected {other}"),
    }
}

#[test]
fn pointers_and_byte_order_marks_are_refused_with_their_own_errors() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:aaaa\nsize 263424\n";
    let mark = "\u{feff}{}";
    for (name, text, word) in [
        ("model.safetensors", pointer, "git lfs pull"),
        ("tokenizer.json", pointer, "git lfs pull"),
        ("config.json", pointer, "git lfs pull"),
        ("generation_config.json", pointer, "git lfs pull"),
        ("tokenizer.json", mark, "byte order mark"),
        ("config.json", mark, "byte order mark"),
        ("tokenizer_config.json", mark, "byte order mark"),
        ("generation_config.json", mark, "byte order mark"),
    ] {
        let folder = folder(json!({}));
        folder.write(name, text);
        let model = folder.load().err();
        let error = model
            .or_else(|| folder.tokenizer().err())
            .unwrap()
            .to_string();
        for word in [name, word] {
            assert!(error.contains(word), "{name}: no {word} in {error}");
        }
    }
    // In a shard as in a single file.
    let folder = folder(json!({}));
    std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    let index = json!({"weight_map": {"lm_head.weight": "part.safetensors"}});
    folder.write("model.safetensors.index.json", &index.to_string());
    folder.write("part.safetensors", pointer);
    let error = folder.load().unwrap_err();
    assert!(
        matches!(&error, LmError::GitLfsPointer { path } if path.ends_with("part.safetensors"))
    );
}
