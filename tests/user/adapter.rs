//! LoRA adapters: written alone in PEFT's layout, and merged into their model.

use std::path::Path;

use serde_json::{Value, json};

use crate::{jsonl, largest_difference, model, rows, run, said, succeed, text, weights};

/// Learns some rows by LoRA into a folder of the given format.
pub fn learned(folder: &Path, format: &str) -> String {
    let data = jsonl(folder, "tone.jsonl", &rows("tone", "train", 24));
    let out = text(&folder.join(format));
    succeed(&[
        "finetune",
        "--model",
        &text(&model()),
        "--data",
        &data,
        "--method",
        "lora",
        "--out",
        &out,
        "--format",
        format,
        "--epochs",
        "1",
        "--questions",
        "0",
        "--max-length",
        "96",
    ]);
    out
}

#[test]
fn a_merged_adapter_is_the_model_that_was_learned() {
    let folder = tempfile::tempdir().unwrap();
    let whole = learned(folder.path(), "model");
    let adapter = learned(folder.path(), "adapter");
    let has = |file: &str| Path::new(&adapter).join(file).is_file();
    assert!(has("adapter_config.json") && has("adapter_model.safetensors"));
    assert!(has("tokenizer.json") && has("README.md") && has("osft/state.json"));
    assert!(!has("config.json") && !has("model.safetensors"));
    let card = std::fs::read_to_string(Path::new(&adapter).join("README.md")).unwrap();
    assert!(card.contains("library_name: peft"), "{card}");

    // PEFT's names, shapes and keys.
    let bytes = std::fs::read(Path::new(&adapter).join("adapter_model.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let config = std::fs::read(Path::new(&adapter).join("adapter_config.json")).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    let rank = config["r"].as_u64().unwrap() as usize;
    let of_model: Value =
        serde_json::from_slice(&std::fs::read(model().join("config.json")).unwrap()).unwrap();
    let hidden = of_model["hidden_size"].as_u64().unwrap() as usize;
    let heads = of_model["num_attention_heads"].as_u64().unwrap() as usize;
    let key_heads = of_model["num_key_value_heads"].as_u64().unwrap() as usize;
    let keys = hidden / heads * key_heads;
    let shape = |name: &str| tensors.tensor(name).unwrap().shape().to_vec();
    let layer = "base_model.model.model.layers.0.self_attn.v_proj";
    assert_eq!(shape(&format!("{layer}.lora_A.weight")), [rank, hidden]);
    assert_eq!(shape(&format!("{layer}.lora_B.weight")), [keys, rank]);
    assert_eq!(config["peft_type"], "LORA");
    assert_eq!(config["task_type"], "CAUSAL_LM");
    let targets: Vec<&str> = config["target_modules"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(targets == ["q_proj", "v_proj"], "{targets:?}");

    let merged = text(&folder.path().join("merged"));
    succeed(&["merge", "--adapter", &adapter, "--out", &merged]);
    assert_eq!(
        largest_difference(Path::new(&whole), Path::new(&merged)),
        0.0
    );
    assert!(largest_difference(Path::new(&whole), &model()) > 1e-4);
    let card = std::fs::read_to_string(Path::new(&merged).join("README.md")).unwrap();
    assert!(card.contains("library_name: transformers"), "{card}");
    // Another model than the adapter's is refused; what protects a model's tasks stays with it.
    let output = run(&[
        "merge",
        "--adapter",
        &adapter,
        "--model",
        &whole,
        "--out",
        &text(&folder.path().join("wrong")),
    ]);
    assert!(said(&output).contains("other weights"), "{}", said(&output));
    let foreign = text(&folder.path().join("foreign"));
    std::fs::create_dir(&foreign).unwrap();
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
        std::fs::copy(
            Path::new(&adapter).join(file),
            Path::new(&foreign).join(file),
        )
        .unwrap();
    }
    let kept = text(&folder.path().join("kept"));
    succeed(&[
        "merge",
        "--adapter",
        &foreign,
        "--model",
        &whole,
        "--out",
        &kept,
    ]);
    assert!(Path::new(&kept).join("osft/state.json").is_file());
    // The next task goes on from it, and protects what travels along.
    assert!(Path::new(&merged).join("osft/state.json").is_file());
    let state = |folder: &str| -> Value {
        let state = std::fs::read(Path::new(folder).join("osft/state.json")).unwrap();
        serde_json::from_slice(&state).unwrap()
    };
    assert_eq!(state(&merged)["weights"], state(&whole)["weights"]);

    // An adapter is no model, and an adapter that goes on from earlier tasks is not the change of one task.
    let data = text(&folder.path().join("tone.jsonl"));
    for (arguments, expected) in [
        (
            vec!["generate", "--model", &adapter, "--prompt", "x"],
            "osft merge",
        ),
        (
            vec!["merge", "--adapter", &adapter, "--out", &merged],
            "exists already",
        ),
        (
            vec!["merge", "--adapter", &whole, "--out", "new"],
            "has no adapter",
        ),
        (
            vec![
                "finetune", "--model", &merged, "--data", &data, "--method", "lora", "--format",
                "adapter", "--out", "new",
            ],
            "has learned tasks",
        ),
        (
            vec![
                "finetune", "--model", &whole, "--data", &data, "--format", "adapter", "--out",
                "new",
            ],
            "choose one of lora, lora-decay, milora, pissa, seq-svd",
        ),
        (
            vec![
                "finetune", "--model", &whole, "--data", &data, "--format", "gguf", "--out", "new",
            ],
            "expected model or adapter",
        ),
    ] {
        let output = run(&arguments);
        let said = said(&output);
        assert!(!output.status.success(), "{arguments:?}: {said}");
        assert!(
            said.contains(expected) && said.trim().lines().count() == 1,
            "{arguments:?}: {said}"
        );
        assert!(!Path::new("new").exists());
    }
}

/// An adapter for one layer of the built-in model, changed by a test.
fn made(folder: &Path, config: Value, tensors: &[(&str, [usize; 2])]) -> String {
    let mut whole = json!({
        "peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"], "bias": "none",
        "base_model_name_or_path": text(&model()),
    });
    for (key, value) in config.as_object().unwrap() {
        whole[key] = value.clone();
    }
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("adapter_config.json"), whole.to_string()).unwrap();
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, [rows, columns])| 0.5f32.to_le_bytes().repeat(rows * columns))
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((name, shape), bytes)| {
        let view =
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.to_vec(), bytes);
        (*name, view.unwrap())
    });
    let file = safetensors::serialize(views, None).unwrap();
    std::fs::write(folder.join("adapter_model.safetensors"), file).unwrap();
    text(folder)
}

/// A name, what differs in the configuration, the tensors, and what the error says.
type Case<'a> = (&'a str, Value, Vec<(&'a str, [usize; 2])>, &'a str);

#[test]
fn what_is_no_plain_adapter_of_the_model_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let config: Value =
        serde_json::from_slice(&std::fs::read(model().join("config.json")).unwrap()).unwrap();
    let d = config["hidden_size"].as_u64().unwrap() as usize;
    let q = "base_model.model.model.layers.0.self_attn.q_proj";
    let (a, b) = (format!("{q}.lora_A.weight"), format!("{q}.lora_B.weight"));
    let good = [(a.as_str(), [2, d]), (b.as_str(), [d, 2])];
    let other = "base_model.model.model.layers.99.self_attn.q_proj";
    let (other_a, other_b) = (
        format!("{other}.lora_A.weight"),
        format!("{other}.lora_B.weight"),
    );
    let cases: Vec<Case<'_>> = vec![
        (
            "kind",
            json!({"peft_type": "IA3"}),
            good.to_vec(),
            "peft_type = IA3",
        ),
        (
            "dora",
            json!({"use_dora": true}),
            good.to_vec(),
            "use_dora = true",
        ),
        ("bias", json!({"bias": "all"}), good.to_vec(), "bias = all"),
        (
            "saved",
            json!({"modules_to_save": ["lm_head"]}),
            good.to_vec(),
            "modules_to_save = lm_head",
        ),
        (
            "alphas",
            json!({"alpha_pattern": {"q_proj": 8}}),
            good.to_vec(),
            "alpha_pattern = q_proj",
        ),
        ("rank", json!({"r": 0}), good.to_vec(), "r of at least 1"),
        (
            "word",
            json!({"r": "two"}),
            good.to_vec(),
            "adapter_config.json",
        ),
        (
            "base",
            json!({"base_model_name_or_path": "org/name"}),
            good.to_vec(),
            "--model",
        ),
        (
            "nobase",
            json!({"base_model_name_or_path": null}),
            good.to_vec(),
            "--model",
        ),
        (
            "half",
            json!({}),
            good[..1].to_vec(),
            "one factor and not two",
        ),
        (
            "shape",
            json!({}),
            vec![(a.as_str(), [2, d + 1]), (b.as_str(), [d, 2])],
            "do not fit",
        ),
        (
            "ranks",
            json!({}),
            vec![(a.as_str(), [2, d]), (b.as_str(), [d, 3])],
            "do not fit",
        ),
        (
            "layer",
            json!({}),
            vec![(other_a.as_str(), [2, d]), (other_b.as_str(), [d, 2])],
            "not a linear layer",
        ),
        (
            "tensor",
            json!({}),
            vec![("base_model.model.lm_head.weight", [2, 2])],
            "not a factor",
        ),
        ("empty", json!({}), vec![], "no tensors"),
    ];
    let out = text(&folder.path().join("out"));
    for (name, config, tensors, expected) in cases {
        let adapter = made(&folder.path().join(name), config, &tensors);
        let output = run(&["merge", "--adapter", &adapter, "--out", &out]);
        let said = said(&output);
        assert!(!output.status.success(), "{name}: {said}");
        assert!(
            said.contains(expected) && said.trim().lines().count() == 1,
            "{name}: {said}"
        );
        assert!(!Path::new(&out).exists(), "{name}");
    }
    // Factors of halves: every weight of the layer changes by scale · rank · 0.25.
    for (name, config, tensors, change) in [
        ("plain", json!({}), good.to_vec(), 4.0 / 2.0 * 2.0 * 0.25),
        (
            "rslora",
            json!({"use_rslora": true}),
            good.to_vec(),
            4.0 / 2.0f32.sqrt() * 2.0 * 0.25,
        ),
        (
            "pattern",
            json!({"r": 8, "rank_pattern": {"q_proj": 2}}),
            good.to_vec(),
            4.0 / 2.0 * 2.0 * 0.25,
        ),
    ] {
        let adapter = made(&folder.path().join(name), config, &tensors);
        let out = text(&folder.path().join(format!("{name}-merged")));
        succeed(&["merge", "--adapter", &adapter, "--out", &out]);
        let pairs = weights(Path::new(&out)).into_iter().zip(weights(&model()));
        for ((tensor, merged), (_, base)) in pairs {
            let expected = match tensor == "model.layers.0.self_attn.q_proj.weight" {
                true => change,
                false => 0.0,
            };
            for (merged, base) in merged.iter().zip(base) {
                assert!((merged - base - expected).abs() < 1e-6, "{name} {tensor}");
            }
        }
    }
}
