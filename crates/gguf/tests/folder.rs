//! Folders are unpacked whole or not at all, and are known by a fingerprint.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;

use common::{Draft, fixture, json, words};
use gguf::{Gguf, GgufError};

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn a_folder_has_all_files_and_nothing_stays_beside_it() {
    let file = Gguf::open(fixture("qwen3.gguf")).unwrap();
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("new/qwen3");
    file.unpack(&folder).unwrap();
    assert_eq!(names(&parent.path().join("new")), ["qwen3"]);
    let expected = [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ];
    assert_eq!(names(&folder), expected);
    assert_eq!(json(&folder.join("config.json")), file.config().unwrap());
    let tokenizer = file.tokenizer().unwrap();
    let written = |name: &str| json(&folder.join(name));
    assert_eq!(written("tokenizer.json"), tokenizer.tokenizer);
    assert_eq!(written("tokenizer_config.json"), tokenizer.tokenizer_config);
    assert_eq!(
        written("generation_config.json"),
        tokenizer.generation_config
    );
    let error = file.unpack(&folder).unwrap_err();
    assert!(matches!(error, GgufError::Io { .. }), "{error}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        let usual = parent.path().join("usual");
        std::fs::create_dir(&usual).unwrap();
        assert_eq!(mode(&folder), mode(&usual));
        let (weights, config) = ("model.safetensors", "config.json");
        assert_eq!(mode(&folder.join(weights)), mode(&folder.join(config)));
    }
}

#[test]
fn nothing_stays_of_a_file_that_is_refused() {
    let draft = Draft::of(&fixture("qwen3.gguf"));
    let written = draft
        .clone()
        .set("tokenizer.ggml.pre", words("default"))
        .write();
    let file = Gguf::open(&written.path).unwrap();
    file.unpack(written.folder.path().join("out")).unwrap_err();
    assert_eq!(names(written.folder.path()), ["model.gguf"]);
    // A file that becomes shorter after it was opened is only noticed while its weights are written.
    let written = draft.write();
    let file = Gguf::open(&written.path).unwrap();
    let handle = std::fs::OpenOptions::new().write(true).open(&written.path);
    let length = written.path.metadata().unwrap().len();
    handle.unwrap().set_len(length / 2).unwrap();
    let error = file.unpack(written.folder.path().join("out")).unwrap_err();
    assert!(
        matches!(error, GgufError::Io { action: "read", .. }),
        "{error}"
    );
    assert_eq!(names(written.folder.path()), ["model.gguf"]);
}

#[test]
fn a_fingerprint_changes_with_every_byte() {
    let draft = Draft::of(&fixture("qwen3.gguf"));
    let fingerprint = |draft: &Draft| {
        let written = draft.write();
        Gguf::open(&written.path).unwrap().fingerprint().unwrap()
    };
    let first = fingerprint(&draft);
    assert_eq!(first.len(), 64);
    assert_eq!(first, fingerprint(&draft));
    let mut other = draft.clone();
    *other.tensors.last_mut().unwrap().2.last_mut().unwrap() += 1.0;
    assert_ne!(first, fingerprint(&other));
    assert_ne!(
        first,
        fingerprint(&draft.set("general.name", words("other")))
    );
}
