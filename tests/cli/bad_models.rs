//! Models that are not as they should be: one clear line each, exit code above 0, nothing written.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::{fail, fail_before_writing, only, repository, scratch};

fn copy_model(to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(repository().join("datasets/builtin/model")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// What a case does to a good model, and what the error must say.
type Case<'a> = (&'a str, &'a dyn Fn(&Path), &'a [&'a str]);

fn edit(path: &Path, change: impl Fn(&mut Value)) {
    let mut json: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    change(&mut json);
    fs::write(path, json.to_string()).unwrap();
}

fn config(key: &'static str, value: Value) -> impl Fn(&Path) {
    move |model| {
        edit(&model.join("config.json"), |json| match &value {
            Value::Null => {
                json.as_object_mut().unwrap().remove(key);
            }
            value => json[key] = value.clone(),
        });
    }
}

fn remove(name: &'static str) -> impl Fn(&Path) {
    move |model| fs::remove_file(model.join(name)).unwrap()
}

fn write(name: &'static str, text: &'static str) -> impl Fn(&Path) {
    move |model| fs::write(model.join(name), text).unwrap()
}

/// Changes the bytes of the weights.
fn weights(change: impl Fn(&mut Vec<u8>)) -> impl Fn(&Path) {
    move |model| {
        let path = model.join("model.safetensors");
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
    }
}

#[test]
fn broken_models_are_described() {
    let cases: [Case<'_>; 24] = [
        ("no config", &remove("config.json"), &["config.json"]),
        (
            "half a config",
            &write("config.json", "{\"model_type\": "),
            &["config.json", "line 1 column"],
        ),
        ("no object", &write("config.json", "[]"), &["config.json"]),
        (
            "unknown family",
            &config("model_type", json!("bert")),
            &["bert", "llama, mistral"],
        ),
        (
            "no family",
            &config("model_type", Value::Null),
            &["config.json", "model_type"],
        ),
        (
            "no width",
            &config("hidden_size", Value::Null),
            &["config.json", "hidden_size"],
        ),
        (
            "width of a word",
            &config("hidden_size", json!("wide")),
            &["config.json", "hidden_size"],
        ),
        (
            "another width",
            &config("hidden_size", json!(64)),
            &["shape"],
        ),
        (
            "no layers",
            &config("num_hidden_layers", json!(0)),
            &["config.json", "num_hidden_layers"],
        ),
        (
            "more layers",
            &config("num_hidden_layers", json!(5)),
            &["lacks", "layers.4."],
        ),
        (
            "heads that do not share",
            &config("num_key_value_heads", json!(3)),
            &["num_key_value_heads"],
        ),
        (
            "no heads",
            &config("num_attention_heads", json!(0)),
            &["config.json", "num_attention_heads"],
        ),
        (
            "another activation",
            &config("hidden_act", json!("gelu")),
            &["hidden_act", "gelu"],
        ),
        (
            "another vocabulary",
            &config("vocab_size", json!(4000)),
            &["shape", "embed_tokens"],
        ),
        (
            "no weights",
            &remove("model.safetensors"),
            &["model.safetensors"],
        ),
        (
            "other weights",
            &write("model.safetensors", "not a tensor file"),
            &["cannot read weights", "model.safetensors"],
        ),
        (
            "empty weights",
            &write("model.safetensors", ""),
            &["cannot read weights", "model.safetensors"],
        ),
        (
            "cut weights",
            &weights(|bytes| bytes.truncate(bytes.len() / 2)),
            &["cannot read weights", "model.safetensors"],
        ),
        (
            "a missing shard",
            &shard,
            &["model-00002-of-00002.safetensors"],
        ),
        (
            "a broken index",
            &|model: &Path| {
                fs::rename(
                    model.join("model.safetensors"),
                    model.join("part.safetensors"),
                )
                .unwrap();
                fs::write(
                    model.join("model.safetensors.index.json"),
                    "{\"weight_map\":",
                )
                .unwrap();
            },
            &["model.safetensors.index.json"],
        ),
        (
            "no tokenizer",
            &remove("tokenizer.json"),
            &["tokenizer.json"],
        ),
        (
            "an empty tokenizer",
            &write("tokenizer.json", "{}"),
            &["tokenizer"],
        ),
        (
            "a longer vocabulary than the model's",
            &more_tokens,
            &["tokenizer.json", "token 2048", "<new>"],
        ),
        (
            "weights that are no numbers",
            &weights(|bytes| {
                let length = bytes.len();
                for value in bytes[length - 4096..].as_chunks_mut::<4>().0 {
                    *value = f32::NAN.to_le_bytes();
                }
            }),
            &["not finite"],
        ),
    ];
    for (case, change, words) in cases {
        let folder = scratch();
        let model = folder.path().join("model");
        copy_model(&model);
        change(&model);
        let arguments = ["--model", "model", "--data"];
        let suite = repository().join("datasets/builtin/suite");
        let suite = suite.to_string_lossy();
        let arguments = [
            &arguments[..],
            &[&*suite, "--limit-train", "4", "--limit-test", "2"],
        ]
        .concat();
        fail_before_writing(folder.path(), &arguments, words, case);
    }
}

/// A model in two files of which one is not there.
fn shard(model: &Path) {
    fs::rename(
        model.join("model.safetensors"),
        model.join("model-00001-of-00002.safetensors"),
    )
    .unwrap();
    let index = json!({"weight_map": {
        "model.embed_tokens.weight": "model-00001-of-00002.safetensors",
        "model.norm.weight": "model-00002-of-00002.safetensors",
    }});
    fs::write(
        model.join("model.safetensors.index.json"),
        index.to_string(),
    )
    .unwrap();
}

/// A tokenizer with a token that the model has no embedding for.
fn more_tokens(model: &Path) {
    edit(&model.join("tokenizer.json"), |json| {
        json["model"]["vocab"]["<new>"] = json!(2048);
    });
}

#[test]
fn a_model_that_is_no_folder_is_named() {
    let folder = scratch();
    fs::write(folder.path().join("file"), "").unwrap();
    for (name, word) in [("file", "config.json"), ("nowhere", "config.json")] {
        fail_before_writing(folder.path(), &["--model", name], &[name, word], name);
    }
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_with_its_place() {
    let folder = scratch();
    let model = folder.path().join("model");
    copy_model(&model);
    // Finite, but what is computed with them is not.
    weights(|bytes| {
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        for value in bytes[8 + header..].as_chunks_mut::<4>().0 {
            *value = (f32::from_le_bytes(*value) * 1e30).to_le_bytes();
        }
    })(&model);
    let suite = repository().join("datasets/builtin/suite");
    let suite = suite.to_string_lossy();
    let arguments = [
        "trace",
        "--out",
        "run",
        "--model",
        "model",
        "--data",
        &suite,
        "--method",
        "seqft",
        "--order",
        "sums,stance",
        "--limit-train",
        "8",
        "--limit-test",
        "2",
    ];
    let error = fail(folder.path(), &arguments);
    let last = error.trim_end().lines().last().unwrap_or_default();
    for word in [
        "seqft with seed 0",
        "step 1 of task \"sums\"",
        "learning rate",
        "run/checkpoints",
        "--resume run",
    ] {
        assert!(last.contains(word), "no {word} in {error}");
    }
    assert!(only(&folder.path().join("run/checkpoints"), "seqft-*-seed0").is_dir());
}
