//! What each family refuses, by the name of the key: a value that asks for something else than the model computes.

use std::path::Path;

use crate::common::families::families;
use burn::tensor::Device;
use lm::{Decoder, LmError, Model, Pretrained};
use serde_json::{Value, json};

fn refusal(family: &str, changes: &Value) -> LmError {
    let (_, mut config) = all().into_iter().find(|(name, _)| *name == family).unwrap();
    for (key, value) in changes.as_object().unwrap() {
        config[key] = value.clone();
    }
    let built = Decoder::from_config(&config, Path::new("config.json"), &Device::flex());
    match built {
        Ok(_) => panic!("{family} with {changes} was not refused"),
        Err(error) => error,
    }
}

/// The configurations of all families; those of LLaMA and Mistral under their own names.
fn all() -> Vec<(&'static str, Value)> {
    let mut all = families();
    for name in ["llama", "mistral"] {
        let (_, mut config) = families().remove(1);
        config["model_type"] = json!(name);
        all.push((name, config));
    }
    all
}

/// Each changed key, and the words of the error beside the key's own name.
fn refused_by_all(family: &str) -> Vec<(Value, Vec<&'static str>)> {
    let activation = match family {
        "gemma3_text" => (
            json!({"hidden_activation": "gelu"}),
            vec!["hidden_activation", "gelu_pytorch_tanh"],
        ),
        _ => (json!({"hidden_act": "gelu"}), vec!["hidden_act", "silu"]),
    };
    let scaling = |kind: &str| json!({"rope_scaling": {"rope_type": kind, "factor": 4.0}});
    let mut cases = vec![
        activation,
        (scaling("yarn"), vec!["rope_type", "yarn"]),
        (scaling("dynamic"), vec!["rope_type", "dynamic"]),
        (
            json!({"quantization_config": {"quant_method": "awq"}}),
            vec!["quantization_config", "awq"],
        ),
        (
            json!({"num_key_value_heads": 4}),
            vec!["num_attention_heads", "num_key_value_heads"],
        ),
        (
            json!({"head_dim": 3, "partial_rotary_factor": 1.0}),
            vec!["head_dim", "3", "odd"],
        ),
        (json!({"rms_norm_eps": 0.0}), vec!["rms_norm_eps"]),
        (json!({"rope_theta": -1.0}), vec!["rope_theta"]),
        (
            json!({"num_hidden_layers": 1_000_000_000_000_u64}),
            vec!["num_hidden_layers", "4096"],
        ),
        (
            json!({"hidden_size": 1_u64 << 40}),
            vec!["hidden_size", "at most"],
        ),
        (json!({"vocab_size": 0}), vec!["vocab_size"]),
        (
            json!({"partial_rotary_factor": 1.5}),
            vec!["partial_rotary_factor"],
        ),
    ];
    if family != "phi3" {
        cases.push((
            json!({"partial_rotary_factor": 0.5}),
            vec!["partial_rotary_factor"],
        ));
    }
    if family != "gemma3_text" {
        let by_layer = json!({"rope_parameters": {"full_attention": {"rope_theta": 100.0}}});
        cases.push((by_layer, vec!["rope_parameters", "full_attention"]));
    }
    cases
}

#[test]
fn every_family_refuses_what_the_decoder_does_not_compute() {
    for (family, _) in all() {
        for (changes, words) in refused_by_all(family) {
            let error = refusal(family, &changes).to_string();
            for word in words.iter().chain(&["config.json"]) {
                assert!(
                    error.contains(word),
                    "{family} {changes}: no {word} in {error}"
                );
            }
        }
    }
}

#[test]
fn families_refuse_values_of_their_own_keys() {
    let layers = |kinds: [&str; 2]| json!({"layer_types": kinds});
    let cases = [
        (
            "qwen2",
            layers(["full_attention", "linear_attention"]),
            vec!["layer_types", "linear_attention"],
        ),
        (
            "qwen2",
            json!({"layer_types": ["full_attention"]}),
            vec!["layer_types", "1", "num_hidden_layers = 2"],
        ),
        (
            "qwen2",
            json!({"use_sliding_window": false, "layer_types": ["full_attention", "sliding_attention"]}),
            vec!["layer_types", "sliding_window"],
        ),
        (
            "qwen2",
            json!({"sliding_window": 0}),
            vec!["sliding_window"],
        ),
        (
            "qwen3",
            layers(["chunked_attention", "full_attention"]),
            vec!["layer_types", "chunked_attention"],
        ),
        (
            "qwen3",
            json!({"attention_bias": "yes"}),
            vec!["attention_bias", "invalid type"],
        ),
        (
            "gemma3_text",
            json!({"attn_logit_softcapping": 50.0}),
            vec!["attn_logit_softcapping", "50"],
        ),
        (
            "gemma3_text",
            json!({"final_logit_softcapping": 30.0}),
            vec!["final_logit_softcapping", "30"],
        ),
        (
            "gemma3_text",
            json!({"use_bidirectional_attention": true}),
            vec!["use_bidirectional_attention"],
        ),
        (
            "gemma3_text",
            json!({"layer_types": null, "sliding_window_pattern": 0}),
            vec!["sliding_window_pattern"],
        ),
        (
            "gemma3_text",
            layers(["full_attention", "recurrent"]),
            vec!["layer_types", "recurrent"],
        ),
        (
            "gemma3_text",
            json!({"layer_types": null, "sliding_window": null}),
            vec!["sliding_window"],
        ),
        (
            "gemma3_text",
            json!({"query_pre_attn_scalar": 0.0}),
            vec!["attention scores"],
        ),
        (
            "phi3",
            json!({"rope_scaling": {"type": "longrope", "short_factor": [1.0], "long_factor": [1.0]}}),
            vec!["rope_type", "longrope", "default"],
        ),
        (
            "phi3",
            json!({"rope_scaling": {"type": "su"}}),
            vec!["rope_type", "su"],
        ),
        (
            "phi3",
            json!({"partial_rotary_factor": 0.25}),
            vec!["partial_rotary_factor", "odd"],
        ),
        (
            "phi3",
            json!({"partial_rotary_factor": 0.0}),
            vec!["partial_rotary_factor = 0"],
        ),
        (
            "granite",
            json!({"logits_scaling": 0.0}),
            vec!["logits_scaling = 0"],
        ),
        (
            "granite",
            json!({"residual_multiplier": -0.5}),
            vec!["residual_multiplier"],
        ),
        (
            "granite",
            json!({"embedding_multiplier": "twelve"}),
            vec!["embedding_multiplier", "invalid type"],
        ),
        (
            "smollm3",
            json!({"use_sliding_window": true}),
            vec!["use_sliding_window"],
        ),
        (
            "smollm3",
            layers(["full_attention", "sliding_attention"]),
            vec!["layer_types", "sliding_window"],
        ),
        (
            "smollm3",
            json!({"no_rope_layers": [1]}),
            vec!["no_rope_layers", "num_hidden_layers"],
        ),
        (
            "smollm3",
            json!({"no_rope_layers": [1, 2]}),
            vec!["no_rope_layers"],
        ),
        (
            "smollm3",
            json!({"no_rope_layers": null, "no_rope_layer_interval": 0}),
            vec!["no_rope_layer_interval"],
        ),
        (
            "olmo2",
            json!({"head_dim": null, "hidden_size": 18}),
            vec!["head_dim", "odd"],
        ),
        (
            "mistral",
            json!({"sliding_window": 0}),
            vec!["sliding_window"],
        ),
        (
            "llama",
            json!({"mlp_bias": 1}),
            vec!["mlp_bias", "invalid type"],
        ),
    ];
    for (family, changes, words) in cases {
        let error = refusal(family, &changes).to_string();
        for word in words.iter().chain(&["config.json"]) {
            assert!(
                error.contains(word),
                "{family} {changes}: no {word} in {error}"
            );
        }
    }
}

#[test]
fn an_unknown_family_is_refused_with_the_list_of_those_that_are_read() {
    let (_, mut config) = families().remove(0);
    for unknown in [
        "gemma3",
        "gemma2",
        "qwen3_moe",
        "olmo3",
        "granitemoe",
        "gpt2",
    ] {
        config["model_type"] = json!(unknown);
        let error = Model::from_config(&config, Path::new("config.json"), &Device::flex());
        let error = error.unwrap_err().to_string();
        let supported =
            "llama, mistral, qwen2, qwen3, gemma3_text, phi3, olmo2, granite, smollm3, t5";
        assert!(
            error.contains(supported) && error.contains(unknown),
            "{error}"
        );
    }
}

#[test]
fn keys_that_a_class_ignores_are_warned_of() {
    let warnings = |family: &str, changes: &Value| {
        let (_, mut config) = all().into_iter().find(|(name, _)| *name == family).unwrap();
        for (key, value) in changes.as_object().unwrap() {
            config[key] = value.clone();
        }
        let format = Decoder::FAMILIES
            .iter()
            .find(|format| format.reads(&config));
        (format.unwrap().ignored_keys)(&config)
    };
    for (family, changes) in [
        ("llama", json!({"sliding_window": 8})),
        (
            "llama",
            json!({"layer_types": ["sliding_attention", "full_attention"]}),
        ),
        ("mistral", json!({"attention_bias": true})),
        ("qwen2", json!({"attention_bias": true})),
        ("qwen3", json!({"mlp_bias": true})),
        ("gemma3_text", json!({"mlp_bias": true})),
        ("phi3", json!({"attention_bias": true})),
        ("olmo2", json!({"clip_qkv": 8.0})),
        ("granite", json!({"sliding_window": 8})),
    ] {
        let (key, _) = changes.as_object().unwrap().iter().next().unwrap();
        let [warning] = &warnings(family, &changes)[..] else {
            panic!("{family}: {changes}");
        };
        assert!(
            warning.contains(key) && warning.contains(family),
            "{warning}"
        );
        assert!(warnings(family, &json!({})).is_empty(), "{family}");
    }
}
