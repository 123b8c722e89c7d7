//! Output heads and embeddings as other tools store them. The expected losses are those of transformers 5.24.

use crate::common::cases::{
    Folder, RELATIVE, case_file, close, llama, read, rows, t5, t5_tokenizer, tokenizer, with, write,
};
use lm::{ExportPrecision, HfFolder, LmError, Model};
use safetensors::Dtype;
use serde_json::{Value, json};

const HEAD: &str = "lm_head.weight";

/// Version 1.1 without an output head, as transformers 5 saves it.
fn t5_without_head(config: &Value) -> Folder {
    let folder = Folder::new(config, "t5-own-head.safetensors", &t5_tokenizer());
    let mut tensors = folder.tensors();
    tensors.remove(HEAD);
    tensors.extend(read(&case_file("t5-embedding.safetensors")));
    folder.write_tensors(&tensors);
    folder
}

/// T5 as transformers 5 saves it: the flag is always true.
fn t5_of_5() -> Value {
    with(
        &t5(),
        json!({"tie_word_embeddings": true, "scale_decoder_outputs": false}),
    )
}

/// The loss and the `config.json` of the folder's model after an export.
fn exported(folder: &Folder) -> (f64, Value) {
    let again = folder.exported();
    let step = again.step(&rows());
    assert_eq!(step.warnings, Vec::<String>::new());
    let config = HfFolder::open(again.path()).unwrap().config().clone();
    (step.loss, config)
}

#[test]
fn t5_has_the_loss_of_the_reference_however_it_was_saved() {
    let own_head = |config: &Value| Folder::new(config, "t5-own-head.safetensors", &t5_tokenizer());
    let of_5 = t5_of_5();
    let stored_once = with(
        &t5_of_5(),
        json!({"feed_forward_proj": "relu", "scale_decoder_outputs": true}),
    );
    let stored_once = Folder::new(&stored_once, "t5-stored-once.safetensors", &t5_tokenizer());
    let cases = [
        (
            "by transformers 4",
            own_head(&t5()),
            6.134012,
            Some(5.8877),
            false,
        ),
        (
            "by transformers 5",
            own_head(&of_5),
            6.134012,
            Some(5.8877),
            false,
        ),
        (
            "without a head",
            t5_without_head(&of_5),
            6.573447,
            None,
            true,
        ),
        ("its embeddings once", stored_once, 5.729642, None, true),
    ];
    for (case, folder, loss, gradient_norm, tied) in cases {
        let step = folder.step(&rows());
        close(case, step.loss, loss, RELATIVE);
        if let Some(expected) = gradient_norm {
            close(case, step.gradient_norm, expected, RELATIVE);
        }
        assert_eq!(step.warnings, Vec::<String>::new(), "{case}");
        let (again, config) = exported(&folder);
        assert_eq!(again, step.loss, "{case}");
        assert_eq!(config["tie_word_embeddings"], tied, "{case}");
    }
}

#[test]
fn llama_uses_an_untied_head_although_its_configuration_ties_it() {
    let tied = with(&llama(), json!({"tie_word_embeddings": true}));
    let folder = Folder::new(&tied, "llama-own-head.safetensors", &tokenizer());
    let step = folder.step(&rows());
    close("loss", step.loss, 5.875511, RELATIVE);
    close("gradient", step.gradient_norm, 12.283, RELATIVE);
    let [warning] = step.warnings.as_slice() else {
        panic!("{:?}", step.warnings);
    };
    assert!(warning.contains(HEAD) && warning.contains("tie_word_embeddings"));
    let (again, config) = exported(&folder);
    assert_eq!(again, step.loss);
    assert_eq!(config["tie_word_embeddings"], false);

    // A head that equals the embeddings adds nothing: the model is the same as without it.
    let mut tensors = folder.tensors();
    let head = tensors["model.embed_tokens.weight"].clone();
    tensors.insert(HEAD.to_string(), head);
    let equal = folder.write_tensors(&tensors).step(&rows());
    tensors.remove(HEAD);
    let absent = folder.write_tensors(&tensors).step(&rows());
    assert_eq!(equal.loss, absent.loss);
    assert_eq!(equal.gradient_norm, absent.gradient_norm);
    assert_eq!((equal.warnings, absent.warnings), (vec![], vec![]));
}

#[test]
fn a_tensor_that_is_stored_once_is_found_by_its_alias() {
    let tied = with(&llama(), json!({"tie_word_embeddings": true}));
    let folder = Folder::new(&tied, "llama-stored-once.safetensors", &tokenizer());
    let step = folder.step(&rows());
    close("loss", step.loss, 6.983123, RELATIVE);
    assert!(step.warnings.is_empty());

    // Tied tensors are found without metadata too.
    let tensors = folder.tensors();
    assert!(!tensors.contains_key("model.embed_tokens.weight"));
    assert_eq!(folder.write_tensors(&tensors).step(&rows()).loss, step.loss);

    // Metadata may alias any tensor: here a norm of the second layer is an alias of the first layer's.
    let mut shared = tensors.clone();
    let (kept, other) = (
        "model.layers.0.input_layernorm.weight",
        "model.layers.1.input_layernorm.weight",
    );
    shared.insert(other.to_string(), shared[kept].clone());
    let expected = folder.write_tensors(&shared).step(&rows()).loss;
    shared.remove(other);
    let path = folder.path().join("model.safetensors");
    write(&path, &shared, &[("format", "pt"), (other, kept)]);
    assert_eq!(folder.step(&rows()).loss, expected);

    // In an untied model, both tensors have equal values but train separately.
    let apart = with(&llama(), json!({"tie_word_embeddings": false}));
    folder.write("config.json", &apart.to_string());
    let alias = ("model.embed_tokens.weight", HEAD);
    write(&path, &tensors, &[alias]);
    let untied = folder.step(&rows());
    assert_eq!(untied.loss, step.loss);
    assert_ne!(untied.gradient_norm, step.gradient_norm);
}

#[test]
fn an_export_keeps_the_type_of_a_tensor_that_has_another_name() {
    let tied = with(&llama(), json!({"tie_word_embeddings": true}));
    let folder = Folder::new(&tied, "llama-stored-once.safetensors", &tokenizer());
    let mut tensors = folder.tensors();
    for (dtype, _, data) in tensors.values_mut() {
        // The upper half of an f32.
        *dtype = Dtype::BF16;
        *data = data.chunks(4).flat_map(|f32| [f32[2], f32[3]]).collect();
    }
    let (kept, other) = (
        "model.layers.0.input_layernorm.weight",
        "model.layers.1.input_layernorm.weight",
    );
    tensors.remove(other);
    let path = folder.path().join("model.safetensors");
    write(&path, &tensors, &[("format", "pt"), (other, kept)]);
    let again = folder.exported_as(ExportPrecision::Stored).tensors();
    for name in [other, "model.embed_tokens.weight", kept] {
        assert_eq!(again[name].0, Dtype::BF16, "{name}");
    }
}

#[test]
fn a_missing_untied_head_is_an_error() {
    let llama = Folder::new(&llama(), "llama.safetensors", &tokenizer());
    for folder in [
        llama,
        Folder::new(&t5(), "t5-own-head.safetensors", &t5_tokenizer()),
    ] {
        let mut tensors = folder.tensors();
        tensors.remove(HEAD);
        match folder.write_tensors(&tensors).load().unwrap_err() {
            LmError::MissingTensors { names, .. } => assert_eq!(names, [HEAD]),
            other => panic!("unexpected {other}"),
        }
    }
}

#[test]
fn copies_of_t5s_embeddings_are_the_same_or_refused() {
    let folder = t5_without_head(&t5_of_5());
    let loss = folder.step(&rows()).loss;
    let mut tensors = folder.tensors();
    let embedding = tensors["shared.weight"].clone();
    for name in [
        "encoder.embed_tokens.weight",
        "decoder.embed_tokens.weight",
        HEAD,
    ] {
        tensors.insert(name.to_string(), embedding.clone());
    }
    let step = folder.write_tensors(&tensors).step(&rows());
    assert_eq!((step.loss, step.warnings), (loss, vec![]));

    let (_, _, bytes) = tensors.get_mut("decoder.embed_tokens.weight").unwrap();
    bytes[3] ^= 0x80;
    let error = folder.write_tensors(&tensors).load().unwrap_err();
    assert!(matches!(error, LmError::DifferentCopies { .. }), "{error}");
    let error = error.to_string();
    for name in ["shared.weight", "decoder.embed_tokens.weight"] {
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn older_and_newer_configurations_decide_whether_outputs_are_scaled() {
    for (tied, scaled, expected) in [
        (true, None, true),
        (false, None, false),
        (true, Some(false), false),
        (false, Some(true), true),
    ] {
        let mut config = with(&t5(), json!({"tie_word_embeddings": tied}));
        if let Some(scaled) = scaled {
            config["scale_decoder_outputs"] = json!(scaled);
        }
        let folder = Folder::new(&config, "t5-own-head.safetensors", &t5_tokenizer());
        let loaded = folder.load().unwrap();
        // In older files the flag ties the head, so an untied head in the files causes a warning.
        let warns = tied && scaled.is_none();
        assert_eq!(!loaded.warnings.is_empty(), warns, "{tied} {scaled:?}");
        let Model::T5(model) = loaded.model else {
            panic!("no T5");
        };
        assert_eq!(model.config().scales_decoder_outputs(), expected);
        let (loss, written) = exported(&folder);
        assert_eq!(loss, folder.step(&rows()).loss, "{tied} {scaled:?}");
        assert_eq!(written["tie_word_embeddings"], false);
        // transformers 5 reads the second key, transformers 4 only the first.
        let scaled = written["scale_decoder_outputs"].as_bool().unwrap_or(false);
        assert_eq!(scaled, expected);
    }
}
