//! Reading and writing folders: in one file, in shards, in half precision, and broken ones.

use std::collections::BTreeMap;
use std::fs;

use crate::common::cases::{read, write};
use crate::common::{configs, folder, model, rows, values};
use burn::tensor::Device;
use lm::{Conversation, Decoder, ExportPrecision, HfFolder, LmError};
use serde_json::{Value, json};

#[test]
fn an_exported_folder_loads_as_the_same_model_with_its_companion_files() {
    for (shape, config) in configs() {
        let device = Device::flex();
        let scratch = tempfile::tempdir().unwrap();
        let model = model(&config, 2, &device);
        let exported = folder(&config, &model, scratch.path());
        let again = exported.load::<Decoder>(&device).unwrap().model;
        assert_eq!(
            values(model.logits(&rows())),
            values(again.logits(&rows())),
            "{shape}"
        );
        assert!(exported.path().join("chat_template.jinja").is_file());
        assert_eq!(exported.stop_tokens().unwrap(), [3, 5]);
        let names: Vec<String> = read(&exported.path().join("model.safetensors"))
            .into_keys()
            .collect();
        assert!(names.contains(&"model.layers.1.self_attn.q_proj.weight".to_string()));
        assert!(names.contains(&"model.norm.weight".to_string()));
        let tied = config["tie_word_embeddings"] == true;
        assert_eq!(
            names.contains(&"lm_head.weight".to_string()),
            !tied,
            "{shape}"
        );
    }
}

#[test]
fn shards_and_half_precision_can_be_read() {
    let device = Device::flex();
    let scratch = tempfile::tempdir().unwrap();
    let (_, config) = &configs()[1];
    let model = model(config, 3, &device);
    let whole = folder(config, &model, scratch.path());
    let expected = values(model.logits(&rows()));

    let tensors = read(&whole.path().join("model.safetensors"));
    let sharded = scratch.path().join("sharded");
    fs::create_dir(&sharded).unwrap();
    fs::copy(
        whole.path().join("config.json"),
        sharded.join("config.json"),
    )
    .unwrap();
    let (mut first, mut second, mut map) = (BTreeMap::new(), BTreeMap::new(), json!({}));
    for (index, (name, tensor)) in tensors.into_iter().enumerate() {
        let (shard, file) = match index % 2 {
            0 => (&mut first, "model-00001-of-00002.safetensors"),
            _ => (&mut second, "model-00002-of-00002.safetensors"),
        };
        map[&name] = Value::from(file);
        shard.insert(name, tensor);
    }
    write(
        &sharded.join("model-00001-of-00002.safetensors"),
        &first,
        &[],
    );
    write(
        &sharded.join("model-00002-of-00002.safetensors"),
        &second,
        &[],
    );
    let index = json!({"weight_map": map}).to_string();
    fs::write(sharded.join("model.safetensors.index.json"), index).unwrap();
    let source = HfFolder::open(&sharded).unwrap();
    assert_eq!(
        values(
            source
                .load::<Decoder>(&device)
                .unwrap()
                .model
                .logits(&rows())
        ),
        expected
    );

    for (precision, name, error) in [
        // Half the spacing of numbers below 1, relative, carried through two layers.
        (ExportPrecision::F16, "float16", 0.02),
        (ExportPrecision::Bf16, "bfloat16", 0.15),
    ] {
        let out = scratch.path().join(name);
        source.export(&model, &out, precision).unwrap();
        let half = HfFolder::open(&out).unwrap();
        assert_eq!(half.config()["torch_dtype"], name);
        let found = values(half.load::<Decoder>(&device).unwrap().model.logits(&rows()));
        let worst = found
            .iter()
            .zip(&expected)
            .fold(0.0_f64, |w, (a, b)| w.max((a - b).abs()));
        assert!(worst > 0.0 && worst < error, "{name}: {worst}");
    }

    fs::remove_file(sharded.join("model-00002-of-00002.safetensors")).unwrap();
    let missing = source.load::<Decoder>(&device).unwrap_err().to_string();
    assert!(
        missing.contains("model-00002-of-00002.safetensors"),
        "{missing}"
    );
}

#[test]
fn errors_describe_what_is_wrong_with_a_folder() {
    let device = Device::flex();
    let scratch = tempfile::tempdir().unwrap();
    let (_, config) = &configs()[0];
    let model = model(config, 4, &device);
    let exported = folder(config, &model, scratch.path());
    let path = exported.path().to_path_buf();
    let load = || HfFolder::open(&path)?.load::<Decoder>(&device);

    let occupied = exported
        .export(&model, &path, ExportPrecision::F32)
        .unwrap_err();
    assert!(occupied.to_string().contains("exists"), "{occupied}");

    let mut tensors = read(&path.join("model.safetensors"));
    tensors.remove("model.layers.1.mlp.up_proj.weight");
    write(&path.join("model.safetensors"), &tensors, &[]);
    match load().unwrap_err() {
        LmError::MissingTensors { names, .. } => {
            assert_eq!(names, ["model.layers.1.mlp.up_proj.weight"])
        }
        other => panic!("unexpected {other}"),
    }
    let cases = [
        ("model_type", json!("gpt2"), "llama, mistral"),
        ("hidden_act", json!("gelu"), "silu"),
        ("rope_scaling", json!({"rope_type": "yarn"}), "yarn"),
        (
            "rope_scaling",
            json!({"rope_type": "llama3"}),
            "low_freq_factor",
        ),
        ("num_key_value_heads", json!(4), "multiple"),
        ("head_dim", json!(3), "odd"),
        ("hidden_size", json!("wide"), "invalid type"),
        ("vocab_size", json!(0), "vocab_size"),
    ];
    for (key, value, word) in cases {
        let mut changed = config.clone();
        changed[key] = value;
        fs::write(path.join("config.json"), changed.to_string()).unwrap();
        let error = load().unwrap_err().to_string();
        assert!(
            error.contains(word) && error.contains("config.json"),
            "{key}: {error}"
        );
    }
}

#[test]
fn an_export_keeps_the_types_and_names_that_the_folder_has() {
    let device = Device::flex();
    let scratch = tempfile::tempdir().unwrap();
    let (_, config) = &configs()[0];
    let whole = folder(config, &model(config, 5, &device), scratch.path());
    let half = scratch.path().join("half");
    let loaded = whole.load::<Decoder>(&device).unwrap().model;
    whole.export(&loaded, &half, ExportPrecision::Bf16).unwrap();
    let half = HfFolder::open(&half).unwrap();
    let loaded = half.load::<Decoder>(&device).unwrap().model;
    let again = scratch.path().join("again");
    half.export(&loaded, &again, ExportPrecision::Stored)
        .unwrap();
    // Nothing was trained: the same bytes.
    for file in ["model.safetensors", "config.json"] {
        let bytes = |path: &std::path::Path| fs::read(path.join(file)).unwrap();
        assert!(bytes(half.path()) == bytes(&again), "{file}");
    }
}

#[test]
fn conversations_with_tools_have_a_template_of_their_own() {
    let device = Device::flex();
    let scratch = tempfile::tempdir().unwrap();
    let (_, config) = &configs()[0];
    let source = folder(config, &model(config, 5, &device), scratch.path());
    let turn = json!([{"role": "user", "content": "a"}]);
    let plain = Conversation::new(&turn, None).unwrap();
    let with_tools = Conversation::new(&turn, Some(&json!([{"name": "f"}]))).unwrap();
    let rendered = |folder: &HfFolder| {
        let template = folder
            .chat_template(chrono::NaiveDate::MIN)
            .unwrap()
            .unwrap();
        [&plain, &with_tools].map(|conversation| template.render(conversation, true).unwrap())
    };
    let own = "additional_chat_templates/tool_use.jinja";
    fs::write(source.path().join("chat_template.jinja"), "said").unwrap();
    assert_eq!(rendered(&source), ["said", "said"]);
    fs::create_dir(source.path().join("additional_chat_templates")).unwrap();
    fs::write(source.path().join(own), "{{ tools | length }} tool").unwrap();
    assert_eq!(rendered(&source), ["said", "1 tool"]);
    let out = scratch.path().join("out");
    let loaded = source.load::<Decoder>(&device).unwrap().model;
    source.export(&loaded, &out, ExportPrecision::F32).unwrap();
    assert_eq!(rendered(&HfFolder::open(&out).unwrap()), ["said", "1 tool"]);
    // As a list in the settings of the tokenizer, which holds where there is no file.
    let list = json!({"chat_template": [
        {"name": "default", "template": "listed"}, {"name": "tool_use", "template": "{{ tools | length }} listed"}
    ]});
    fs::write(
        source.path().join("tokenizer_config.json"),
        list.to_string(),
    )
    .unwrap();
    assert_eq!(rendered(&source), ["said", "1 tool"]);
    fs::remove_file(source.path().join("chat_template.jinja")).unwrap();
    assert_eq!(rendered(&source), ["listed", "1 listed"]);
}
