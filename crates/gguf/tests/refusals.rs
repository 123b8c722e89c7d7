//! What a file may not say: every refusal names the place and what is supported.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Draft, fixture, words, written};
use gguf::{Gguf, GgufError, Value};

fn error_of(bytes: &[u8]) -> GgufError {
    Gguf::open(&written(bytes).path).unwrap_err()
}

#[test]
fn other_files_are_recognized() {
    let pointer = b"version https://git-lfs.github.com/spec/v1";
    for (bytes, part) in [
        (&b""[..], "less than 8 bytes"),
        (b"GGUF", "less than 8 bytes"),
        (b"PK\x03\x04 a zip archive", "PK\\x03\\x04"),
        (pointer, "git lfs pull"),
    ] {
        let error = error_of(bytes);
        assert!(matches!(error, GgufError::NotGguf { .. }));
        assert!(error.to_string().contains(part), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let error = Gguf::open(folder.path()).unwrap_err();
    assert!(error.to_string().contains("it is a folder"), "{error}");
    let error = Gguf::open(folder.path().join("none")).unwrap_err();
    assert!(matches!(error, GgufError::Io { .. }));
}

#[test]
fn other_versions_and_byte_orders_are_refused() {
    for (version, found) in [
        (1_u32.to_le_bytes(), "1"),
        (4_u32.to_le_bytes(), "4"),
        (3_u32.to_be_bytes(), "big-endian"),
    ] {
        let mut bytes = Draft::default().bytes();
        bytes[4..8].copy_from_slice(&version);
        match error_of(&bytes) {
            GgufError::Unsupported { found: name, .. } => assert_eq!(name, found),
            other => panic!("{other}"),
        }
    }
    let mut second = Draft::of(&fixture("llama.gguf")).bytes();
    second[4..8].copy_from_slice(&2_u32.to_le_bytes());
    assert!(Gguf::open(written(&second).path).unwrap().config().is_ok());
}

#[test]
fn other_types_of_tensors_are_refused_by_name() {
    let one = Draft::default().tensor("t", &[32]);
    let bytes = one.bytes();
    // Behind the header: length of the name, the name, one dimension.
    let at = 24 + 8 + 1 + 4 + 8;
    for (code, name) in [(23_u32, "IQ4_XS"), (39, "MXFP4"), (4, "code 4")] {
        let mut bytes = bytes.clone();
        bytes[at..at + 4].copy_from_slice(&code.to_le_bytes());
        match error_of(&bytes) {
            GgufError::Unsupported { found, what, .. } => {
                assert_eq!(found, name);
                assert!(what.contains("\"t\""), "{what}");
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn contradictions_of_the_table_are_refused() {
    let draft = Draft::default().tensor("a", &[64]).tensor("b", &[64]);
    let bytes = draft.bytes();
    // Places of the first entry's dimensions, size, and offset, and of the second entry's name and offset.
    let entry = 8 + 1 + 4 + 8 + 4 + 8;
    let (dimensions, size, offset) = (24 + 9, 24 + 13, 24 + 25);
    let (name, second_offset) = (24 + entry + 8, offset + entry);
    let changed = |at: usize, new: &[u8]| {
        let mut bytes = bytes.clone();
        bytes[at..at + new.len()].copy_from_slice(new);
        error_of(&bytes).to_string()
    };
    let number = |number: u64| number.to_le_bytes();
    for (error, part) in [
        (changed(dimensions, &[0]), "0 dimensions"),
        (changed(dimensions, &[5]), "5 dimensions"),
        (changed(size, &number(0)), "whole blocks"),
        (changed(size, &number(u64::MAX)), "whole blocks"),
        (changed(size, &number(1 << 40)), "the file ends before"),
        (changed(offset, &number(1)), "multiple of the alignment"),
        (
            changed(offset, &number(u64::MAX - 31)),
            "the file ends before",
        ),
        (changed(offset, &number(32)), "overlap"),
        (changed(second_offset, &number(0)), "overlap"),
        (changed(name, b"a"), "stands twice"),
        (changed(name, b"\xff"), "not UTF-8"),
        (changed(name - 8, &number(65)), "at most 64"),
        (changed(8, &number(u64::MAX)), "tensors where at most"),
        (
            changed(16, &number(u64::MAX)),
            "metadata entries, more than",
        ),
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

/// A file may claim any size without taking room on the disk: zeros behind its beginning.
#[test]
fn the_size_of_a_file_alone_does_not_allow_much_memory() {
    let beginning = |code: u32, count: u64| {
        let mut bytes = Draft::default().set("k", Value::Bool(true)).bytes();
        bytes.truncate(24 + 8 + 1);
        bytes.extend(9_u32.to_le_bytes());
        bytes.extend(code.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes
    };
    let mut tensors = Draft::default().bytes();
    tensors[8..16].copy_from_slice(&(1_u64 << 30).to_le_bytes());
    for (bytes, part) in [
        (beginning(0, 1 << 39), "take more than"),
        (beginning(8, 1 << 36), "texts where at most 4194304"),
        (tensors, "tensors where at most 65536"),
    ] {
        let written = written(&bytes);
        let file = std::fs::OpenOptions::new().write(true).open(&written.path);
        file.unwrap().set_len(1 << 40).unwrap();
        let error = Gguf::open(&written.path).unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn contradictions_of_metadata_are_refused() {
    let draft = Draft::default().set("k", Value::Bool(true));
    let bytes = draft.bytes();
    let at = 24 + 8 + 1;
    let with = |code: u32, rest: &[&[u8]]| {
        let mut changed = bytes[..at].to_vec();
        changed.extend(code.to_le_bytes());
        changed.extend(rest.concat());
        error_of(&changed).to_string()
    };
    let length = |length: u64| length.to_le_bytes();
    let kind = |kind: u32| kind.to_le_bytes();
    for (error, part) in [
        (with(7, &[&[2]]), "0 or 1 is expected"),
        (with(13, &[&[0]]), "unknown type 13"),
        (with(u32::MAX, &[&[0]]), "unknown type"),
        (with(8, &[&length(u64::MAX)]), "at most"),
        (with(8, &[&length(100), b"short"]), "the file ends after"),
        (
            with(9, &[&kind(9), &length(1), &kind(4), &length(0)]),
            "holds arrays",
        ),
        (
            with(9, &[&kind(0), &length(u64::MAX)]),
            "the file ends after",
        ),
        (with(9, &[&kind(10), &length(u64::MAX)]), "no file can hold"),
        (
            with(9, &[&kind(8), &length(u64::MAX)]),
            "texts where at most",
        ),
        (
            with(9, &[&kind(7), &length(2), &[1, 7]]),
            "0 or 1 is expected",
        ),
        (with(9, &[&kind(99), &length(1)]), "unknown type 99"),
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let mut twice = Draft::default().set("k", Value::Bool(true));
    twice.entries.push(twice.entries[0].clone());
    assert!(
        error_of(&twice.bytes())
            .to_string()
            .contains("stands twice")
    );
    for alignment in [0, 4, 24, u64::MAX] {
        let draft = Draft::default().set("general.alignment", Value::Unsigned(alignment));
        let error = error_of(&draft.bytes());
        assert!(matches!(error, GgufError::Metadata { .. }), "{error}");
    }
}

#[test]
fn other_kinds_of_models_are_refused() {
    let draft = Draft::of(&fixture("llama.gguf"));
    let count = Value::Unsigned;
    for (key, value, part) in [
        (
            "general.architecture",
            Some(words("mamba")),
            "llama, qwen2, qwen3, gemma3",
        ),
        ("general.architecture", None, "it is missing"),
        (
            "general.type",
            Some(words("adapter")),
            "a whole language model",
        ),
        (
            "general.quantization_version",
            Some(count(1)),
            "supported: 2",
        ),
        ("split.count", Some(count(3)), "llama-gguf-split --merge"),
        ("llama.expert_count", Some(count(8)), "mixture of experts"),
        (
            "llama.attention.causal",
            Some(Value::Bool(false)),
            "causal attention",
        ),
        ("llama.logit_scale", Some(Value::Float32(0.5)), "not known"),
        (
            "llama.block_count",
            Some(count(u64::MAX)),
            "layers, but only",
        ),
        ("llama.block_count", Some(count(1)), "has no place for it"),
        ("llama.block_count", Some(count(3)), "it is missing"),
        ("llama.block_count", None, "it is missing"),
        ("llama.embedding_length", Some(count(0)), "at least 1"),
        (
            "llama.attention.head_count",
            Some(words("2")),
            "found a text",
        ),
        (
            "llama.attention.head_count",
            Some(Value::Signed(-2)),
            "negative",
        ),
        (
            "llama.attention.head_count_kv",
            Some(count(0)),
            "does not divide",
        ),
        (
            "llama.attention.head_count",
            Some(count(u64::MAX)),
            "heads of two halves",
        ),
        ("llama.attention.key_length", Some(count(7)), "even number"),
        (
            "llama.attention.value_length",
            Some(count(4)),
            "differs from",
        ),
        (
            "llama.attention.layer_norm_rms_epsilon",
            Some(Value::Float32(f32::NAN)),
            "not finite",
        ),
        ("llama.vocab_size", Some(count(5)), "count 5 tokens"),
        ("llama.rope.dimension_count", Some(count(4)), "are rotated"),
        (
            "llama.rope.scaling.type",
            Some(words("linear")),
            "it is missing",
        ),
        (
            "llama.rope.scaling.type",
            Some(words("longrope")),
            "longrope",
        ),
    ] {
        let file = Gguf::open(draft.clone().set(key, value).write().path).unwrap();
        let error = match (file.config(), file.weights()) {
            (Err(error), _) | (_, Err(error)) => error.to_string(),
            _ => panic!("{key} is not refused"),
        };
        assert!(error.contains(part), "{key}: {part}: {error}");
    }
}

#[test]
fn tensors_must_be_those_of_the_architecture() {
    let draft = Draft::of(&fixture("llama.gguf"));
    for (draft, part) in [
        (
            draft.clone().tensor("blk.0.ssm_in.weight", &[4]),
            "no place for it",
        ),
        (
            draft.clone().tensor("blk.x.attn_q.weight", &[4]),
            "no place for it",
        ),
        (draft.clone().tensor("blk", &[4]), "no place for it"),
        (
            draft.clone().tensor("blk.0.attn_q.scale", &[4]),
            "no place for it",
        ),
        (
            draft.clone().tensor("blk.00.attn_q.weight", &[16, 16]),
            "no place for it",
        ),
        (
            draft.clone().without("blk.1.ffn_up.weight"),
            "it is missing",
        ),
        (draft.clone().without("output_norm.weight"), "it is missing"),
        (draft.clone().without("token_embd.weight"), "it is missing"),
        (
            draft
                .clone()
                .without("blk.1.attn_k.weight")
                .tensor("blk.1.attn_k.weight", &[7, 16]),
            "7 rows are not 1 heads",
        ),
    ] {
        let error = Gguf::open(draft.write().path)
            .unwrap()
            .weights()
            .unwrap_err();
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
    let olmo3 = Draft::of(&fixture("olmo2.gguf"));
    let olmo3 = olmo3.set("olmo2.attention.sliding_window", Value::Unsigned(4096));
    let error = Gguf::open(olmo3.write().path)
        .unwrap()
        .config()
        .unwrap_err();
    assert!(error.to_string().contains("OLMo 3"), "{error}");
    let phi3 = Draft::of(&fixture("phi3.gguf")).without("rope_factors_short.weight");
    let error = Gguf::open(phi3.write().path).unwrap().config().unwrap_err();
    assert!(error.to_string().contains("rope_factors_short"), "{error}");
    let phi3 = phi3.tensor("rope_factors_short.weight", &[4]);
    let error = Gguf::open(phi3.write().path).unwrap().config().unwrap_err();
    assert!(error.to_string().contains("4 factors, but 6"), "{error}");
}
