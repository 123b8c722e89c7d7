//! Small models as llama.cpp's converter writes them: settings, names and numbers are those of transformers again.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Draft, fixture, json};
use gguf::{Gguf, GgufError, Value};
use safetensors::SafeTensors;
use serde_json::Value as Json;

/// The numbers that `make.py` gave the tensor of transformers with this name.
fn value_of(name: &str, index: usize) -> f32 {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(16_777_619);
    let hash = name.bytes().fold(2_166_136_261, step);
    let mixed = (index as u32)
        .wrapping_mul(2_654_435_761)
        .wrapping_add(hash);
    (mixed >> 24) as f32 / 128.0 - 1.0
}

#[test]
fn settings_and_numbers_of_every_architecture_come_back() {
    let models = json(&fixture("models.json"));
    for (name, expected) in models.as_object().unwrap() {
        let file = Gguf::open(fixture(&format!("{name}.gguf"))).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("unpacked");
        file.unpack(&folder).unwrap();
        let config = json(&folder.join("config.json"));
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(&config[key], value, "{name}: {key}");
        }
        let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(tensors.len(), count(expected), "{name}");
        for (tensor, view) in tensors.iter() {
            let values = view.data().as_chunks::<4>().0.iter();
            for (index, bytes) in values.enumerate() {
                let found = f32::from_le_bytes(*bytes);
                assert_eq!(found, value_of(tensor, index), "{name}: {tensor} {index}");
            }
        }
    }
}

/// How many tensors `make.py` wrote, beside those that settings are read from.
fn count(config: &Json) -> usize {
    let layer = match config["model_type"].as_str().unwrap() {
        "llama" if config["attention_bias"] == true => 12,
        // Its class always has them, and no key for them.
        "qwen2" if config["attention_bias"] == Json::Null => 12,
        "llama" | "granite" | "smollm3" => 9,
        "qwen3" | "olmo2" => 11,
        "gemma3_text" => 13,
        "phi3" => 6,
        other => panic!("{other}"),
    };
    let head = usize::from(config["tie_word_embeddings"] == false);
    layer * config["num_hidden_layers"].as_u64().unwrap() as usize + 2 + head
}

#[test]
fn a_window_makes_a_mistral_model() {
    let draft = Draft::of(&fixture("llama.gguf"));
    let file = draft.set("llama.attention.sliding_window", Value::Unsigned(4096));
    let config = Gguf::open(file.write().path).unwrap().config().unwrap();
    assert_eq!(config["model_type"], "mistral");
    assert_eq!(config["architectures"][0], "MistralForCausalLM");
    assert_eq!(config["sliding_window"], 4096);
}

#[test]
fn gemma_without_a_window_has_whole_attention_in_every_layer() {
    let draft = Draft::of(&fixture("gemma3.gguf"));
    let file = draft.set("gemma3.attention.sliding_window", None);
    let config = Gguf::open(file.write().path).unwrap().config().unwrap();
    assert_eq!(config["sliding_window"], Json::Null);
    let kinds = config["layer_types"].as_array().unwrap();
    assert!(kinds.len() == 7 && kinds.iter().all(|kind| kind == "full_attention"));
}

#[test]
fn factors_of_other_bounds_than_those_of_llama_3_are_refused() {
    let mut draft = Draft::of(&fixture("llama3.gguf"));
    let factors = draft.tensors.iter_mut();
    let mut factors = factors.filter(|tensor| tensor.0 == "rope_freqs.weight");
    // The third frequency lies between the bounds.
    factors.next().unwrap().2[2] *= 1.01;
    let written = draft.write();
    let error = Gguf::open(&written.path).unwrap().config().unwrap_err();
    assert!(matches!(&error, GgufError::Tensor { name, .. } if name == "rope_freqs.weight"));
}

#[test]
fn numbers_are_also_given_as_the_file_has_them() {
    let file = Gguf::open(fixture("gemma3.gguf")).unwrap();
    let stored = file.tensor("blk.0.attn_norm.weight").unwrap();
    assert_eq!(stored.shape, [8]);
    let name = "model.layers.0.input_layernorm.weight";
    assert_eq!(stored.values[3], 1.0 + value_of(name, 3));
    let weights = file.weights().unwrap();
    let weight = weights.iter().find(|weight| weight.name == name).unwrap();
    assert_eq!(file.weight_values(weight).unwrap()[3], value_of(name, 3));
}
