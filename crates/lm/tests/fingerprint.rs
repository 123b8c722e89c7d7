//! Fingerprints: a changed folder is another model.

use std::fs;
use std::path::Path;

use crate::common::{configs, folder, model};
use burn::tensor::Device;
use lm::{FolderFingerprint, HfFolder};
use serde_json::{Value, json};

fn fingerprint(path: &Path) -> FolderFingerprint {
    HfFolder::open(path).unwrap().fingerprint(&[3]).unwrap()
}

#[test]
fn every_part_of_a_folder_has_its_own_hash() {
    let scratch = tempfile::tempdir().unwrap();
    let (_, config) = configs().remove(0);
    let made = folder(&config, &model(&config, 1, &Device::flex()), scratch.path());
    let path = made.path();
    fs::write(path.join("tokenizer.json"), "{}").unwrap();
    let before = fingerprint(path);
    assert_eq!(before, fingerprint(path));
    for hash in [&before.config, &before.weights, &before.tokenizer] {
        assert_eq!(hash.len(), 64);
    }

    // The same configuration in another layout.
    let text = fs::read_to_string(path.join("config.json")).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    let mut entries: Vec<(String, Value)> = json.as_object().unwrap().clone().into_iter().collect();
    entries.reverse();
    let reversed: serde_json::Map<String, Value> = entries.into_iter().collect();
    fs::write(
        path.join("config.json"),
        Value::Object(reversed).to_string(),
    )
    .unwrap();
    assert_eq!(fingerprint(path), before);

    for key in ["transformers_version", "torch_dtype", "use_cache"] {
        let mut changed = json.clone();
        changed[key] = json!("other");
        fs::write(path.join("config.json"), changed.to_string()).unwrap();
        assert_eq!(fingerprint(path), before, "{key}");
    }
    for key in ["rope_theta", "rms_norm_eps"] {
        let mut changed = json.clone();
        changed[key] = json!(0.5);
        fs::write(path.join("config.json"), changed.to_string()).unwrap();
        let after = fingerprint(path);
        assert_ne!(after.config, before.config, "{key}");
        assert_eq!(
            (after.weights, after.tokenizer),
            (before.weights.clone(), before.tokenizer.clone())
        );
    }
    fs::write(path.join("config.json"), text).unwrap();

    let weights = path.join("model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&weights, bytes).unwrap();
    let after = fingerprint(path);
    assert_ne!(after.weights, before.weights);
    assert_eq!(
        (after.config, after.tokenizer),
        (before.config, before.tokenizer.clone())
    );

    let folder = HfFolder::open(path).unwrap();
    assert_ne!(
        folder.fingerprint(&[5]).unwrap().tokenizer,
        before.tokenizer
    );
    fs::write(path.join("tokenizer.json"), "{ }").unwrap();
    assert_ne!(fingerprint(path).tokenizer, before.tokenizer);
    fs::remove_file(weights).unwrap();
    let error = HfFolder::open(path).unwrap().fingerprint(&[3]).unwrap_err();
    assert!(error.to_string().contains("model.safetensors"), "{error}");
}
