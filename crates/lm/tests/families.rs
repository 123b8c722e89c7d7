//! What holds for every family that the decoder serves: layers, adapters, exports, what a pass stores.

use crate::common;
use std::path::Path;

use crate::common::families::families;
use crate::common::{configs, folder, model, rows, values};
use burn::tensor::{Device, TensorData};
use lm::{Adapter, AdapterLayer, Decoder, HfFolder, Model, Pretrained, linear_layer_paths};
use serde_json::{Value, json};

fn all() -> Vec<(&'static str, Value)> {
    [configs(), families()].concat()
}

/// Layers of one block, by family.
fn layers_of(family: &str) -> Vec<&'static str> {
    match family {
        "phi3" => vec!["qkv_proj", "o_proj", "gate_up_proj", "down_proj"],
        _ => vec![
            "q_proj",
            "k_proj",
            "v_proj",
            "o_proj",
            "gate_proj",
            "up_proj",
            "down_proj",
        ],
    }
}

#[test]
fn adapters_can_change_every_linear_layer_of_every_family() {
    let device = Device::flex();
    for (name, config) in all() {
        let scratch = tempfile::tempdir().unwrap();
        let model = model(&config, 5, &device);
        let base = folder(&config, &model, scratch.path());
        let paths = linear_layer_paths(&base, &model);
        let of_block = |path: &&String| path.starts_with("layers.1.");
        let found: Vec<String> = paths.iter().filter(of_block).cloned().collect();
        let expected = layers_of(name);
        assert_eq!(found.len(), expected.len(), "{name}: {found:?}");
        for layer in expected {
            let ends = format!(".{layer}.weight");
            assert!(
                found.iter().any(|path| path.ends_with(&ends)),
                "{name} lacks {layer}"
            );
        }

        let shapes = common::shapes(&model);
        let layer = |path: &String| {
            let [d_in, d_out] = shapes[path][..] else {
                panic!("{name} {path} is no matrix");
            };
            let fill = |rows: usize, columns: usize| {
                let numbers = (0..rows * columns).map(|n| (n as f32).sin() / 8.0);
                TensorData::new(numbers.collect::<Vec<f32>>(), [rows, columns])
            };
            AdapterLayer {
                path: path.clone(),
                a: fill(d_in, 2),
                b: fill(2, d_out),
                scale: 2.0,
            }
        };
        let adapter = Adapter {
            layers: paths.iter().map(layer).collect(),
            adapter_rank: 2,
            alpha: 4.0,
        };
        let out = scratch.path().join("adapter");
        std::fs::create_dir(&out).unwrap();
        let named = Some(("org/name", Some("v1")));
        adapter.write(&out, &base, named, &model).unwrap();
        let path = out.join("adapter_config.json");
        let written = || std::fs::read_to_string(&path).unwrap();
        let json: Value = serde_json::from_str(&written()).unwrap();
        assert_eq!(json["base_model_name_or_path"], "org/name");
        assert_eq!(json["revision"], "v1");
        // Starts that change the weights of the model too cannot be added to it.
        for (start, is_read) in [("lora_ga", false), ("pissa", false), ("eva", true)] {
            let mut json = json.clone();
            json["init_lora_weights"] = start.into();
            std::fs::write(&path, json.to_string()).unwrap();
            let read = Adapter::read(&out, &base, &model);
            assert_eq!(read.is_ok(), is_read, "{start}");
        }
        adapter.write(&out, &base, None, &model).unwrap();
        assert!(!written().contains("revision"));
        let mut read = Adapter::read(&out, &base, &model).unwrap();
        read.layers.sort_by(|a, b| a.path.cmp(&b.path));
        let mut written = adapter.layers.clone();
        written.sort_by(|a, b| a.path.cmp(&b.path));
        assert!(
            read.layers == written,
            "{name}: an adapter was read as another one"
        );
        let before = values(model.logits(&rows()));
        let after = values(read.merged(model).logits(&rows()));
        assert_ne!(before, after, "{name}");
    }
}

#[test]
fn an_exported_folder_of_every_family_is_read_as_the_same_model() {
    let device = Device::flex();
    for (name, config) in all() {
        let scratch = tempfile::tempdir().unwrap();
        let model = model(&config, 6, &device);
        let exported = folder(&config, &model, scratch.path());
        let loaded = exported.load::<Model>(&device).unwrap();
        assert!(loaded.warnings.is_empty(), "{name}: {:?}", loaded.warnings);
        let Model::Decoder(loaded) = loaded.model else {
            panic!("{name} is no decoder");
        };
        assert_eq!(loaded.parts(), model.parts(), "{name}");
        let [found, expected] = [loaded, model].map(|model| values(model.logits(&rows())));
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn what_a_pass_stores_is_counted_for_every_family() {
    for (name, config) in all() {
        let scratch = tempfile::tempdir().unwrap();
        std::fs::write(scratch.path().join("config.json"), config.to_string()).unwrap();
        let folder = HfFolder::open(scratch.path()).unwrap();
        let numbers = folder.pass_numbers().unwrap();
        let size = |key: &str| config[key].as_u64().unwrap() as usize;
        let (hidden, inner) = (size("hidden_size"), size("intermediate_size"));
        let queries = size("num_attention_heads") * size("head_dim");
        let keys = size("num_key_value_heads") * size("head_dim");
        let llama = 2 * hidden + queries + 2 * keys + 2 * inner;
        // Norms of queries and keys save their inputs, as norms behind attention and feed-forward network do.
        let more = match name {
            "qwen3" | "olmo2" => queries + keys,
            "gemma3_text" => queries + keys + 2 * hidden,
            _ => 0,
        };
        assert_eq!(numbers.prompt.saved, 2 * (llama + more), "{name}");
        assert_eq!(numbers.cached, 2 * 2 * keys, "{name}");
        assert_eq!((numbers.blocks, numbers.vocabulary), (2, 41), "{name}");
    }
}

#[test]
fn newer_files_of_gemma_have_rotary_positions_by_type_of_layer() {
    let path = Path::new("config.json");
    let device = Device::flex();
    let build = |config: &Value| Decoder::from_config(config, path, &device).unwrap();
    let (_, older) = families().remove(2);
    let mut newer = older.clone();
    for key in ["rope_theta", "rope_local_base_freq"] {
        newer.as_object_mut().unwrap().remove(key);
    }
    newer["rope_parameters"] = json!({
        "full_attention": {"rope_type": "default", "rope_theta": 100.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 10.0}
    });
    assert_eq!(build(&newer).parts(), build(&older).parts());
    // Scaling changes the positions of layers without a window only.
    let mut scaled = older.clone();
    scaled["rope_scaling"] = json!({"rope_type": "linear", "factor": 8.0});
    let (plain, scaled) = (build(&older), build(&scaled));
    let rotation = |model: &Decoder, layer: usize| model.parts().layers[layer].rotation;
    assert_eq!(rotation(&plain, 0), rotation(&scaled, 0));
    assert_ne!(rotation(&plain, 1), rotation(&scaled, 1));
}

#[test]
fn classes_have_their_own_defaults() {
    let parts = |family: &str, changes: Value| {
        let mut config = json!({
            "model_type": family, "vocab_size": 41, "hidden_size": 64, "intermediate_size": 20,
            "num_hidden_layers": 8, "num_attention_heads": 64
        });
        for (key, value) in changes.as_object().unwrap() {
            config[key] = value.clone();
        }
        let model = Decoder::from_config(&config, Path::new("c"), &Device::flex()).unwrap();
        model.parts().clone()
    };
    // As in the configuration classes of transformers 4.57.
    for (family, key_heads, head_width, base, tied) in [
        ("qwen2", 32, 2, 1e4, false),
        ("qwen3", 32, 128, 1e4, false),
        ("gemma3_text", 4, 256, 1e6, true),
        ("olmo2", 64, 2, 1e4, false),
        ("smollm3", 4, 2, 2e6, true),
    ] {
        // One coordinate is no pair: `head_dim` where it is not a default.
        let changes = match head_width {
            2 => json!({"head_dim": 2}),
            _ => json!({}),
        };
        let parts = parts(family, changes);
        assert_eq!(parts.attention.key_heads, key_heads, "{family}");
        assert_eq!(parts.attention.head_width, head_width, "{family}");
        assert_eq!(parts.tied, tied, "{family}");
        let rotation = parts.layers[7].rotation.or(parts.layers[0].rotation);
        let gemma_window = family == "gemma3_text" && parts.layers[7].window.is_some();
        let base = if gemma_window { 1e4 } else { base };
        assert_eq!(rotation.unwrap().base, base, "{family}");
    }
    let windows = |family, changes| -> Vec<bool> {
        let parts = parts(family, changes);
        parts
            .layers
            .iter()
            .map(|layer| layer.window.is_some())
            .collect()
    };
    let gemma = windows("gemma3_text", json!({}));
    assert_eq!(gemma, [true, true, true, true, true, false, true, true]);
    assert_eq!(windows("qwen2", json!({"head_dim": 2})), [false; 8]);
    let upper = json!({"head_dim": 2, "use_sliding_window": true, "max_window_layers": 6});
    let expected = [false, false, false, false, false, false, true, true];
    assert_eq!(windows("qwen2", upper), expected);
    let smollm3 = parts("smollm3", json!({"head_dim": 2}));
    let rotated: Vec<bool> = smollm3
        .layers
        .iter()
        .map(|layer| layer.rotation.is_some())
        .collect();
    assert_eq!(rotated, [true, true, true, false, true, true, true, false]);
}
