//! A custom family from outside the crate: one file (`toy`) and one line of a list.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::cases::{Tensors, read, tokenizer_with, with, write};
use crate::common::values;
use crate::toy::Toy;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use lm::{
    Backpropagation, Decoder, Example, ExportPrecision, Framing, GenerationOptions, HfFolder,
    LanguageModel, LmError, MixedPrecision, Model, Pretrained, T5, Unmapped, sizes_of,
};
use serde_json::{Value, json};
use tempfile::TempDir;

lm::families! {
    /// The crate's families and a custom one.
    enum Mine {
        Decoder(Decoder),
        T5(T5),
        Toy(Toy),
    }
}

fn config() -> Value {
    json!({"model_type": "toy", "width": 8, "vocab_size": 264, "dtype": "float32"})
}

/// Writes a folder with a tokenizer and, if given, weights.
fn write_folder(path: &Path, config: &Value, tensors: Option<&Tensors>) {
    fs::create_dir_all(path).unwrap();
    let tokenizer = tokenizer_with(&["<s>"], &["</s>"]);
    fs::write(path.join("config.json"), config.to_string()).unwrap();
    fs::write(path.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    if let Some(tensors) = tensors {
        write(&path.join("model.safetensors"), tensors, &[]);
    }
}

/// A model with random weights, and the folder that it was exported to.
struct Exported {
    scratch: TempDir,
    path: PathBuf,
    model: Mine,
}

impl Exported {
    fn new(changes: Value) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let source = scratch.path().join("source");
        write_folder(&source, &config(), None);
        let source = HfFolder::open_for::<Mine>(source).unwrap();
        let changed = with(&config(), changes);
        let model = Mine::from_config(&changed, Path::new("c"), &Device::flex()).unwrap();
        let path = scratch.path().join("model");
        source.export(&model, &path, ExportPrecision::F32).unwrap();
        Self {
            scratch,
            path,
            model,
        }
    }

    fn tensors(&self) -> Tensors {
        read(&self.path.join("model.safetensors"))
    }

    /// Reads a folder of the same model with other files, and returns its warnings.
    fn read_as(&self, changes: Value, tensors: &Tensors) -> Vec<String> {
        let path = self.scratch.path().join("changed");
        write_folder(&path, &with(&config(), changes), Some(tensors));
        let folder = HfFolder::open_for::<Mine>(path).unwrap();
        let loaded = folder.load::<Mine>(&Device::flex()).unwrap();
        assert_eq!(weights(&loaded.model), weights(&self.model));
        loaded.warnings
    }
}

/// All weights of a model, by path.
fn weights<M: Module>(model: &M) -> BTreeMap<String, Vec<f64>> {
    #[derive(Default)]
    struct Weights(Vec<String>, BTreeMap<String, Vec<f64>>);
    impl ModuleVisitor for Weights {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.0.push(name.to_string());
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.1.insert(self.0.join("."), values(param.val()));
        }
    }
    let mut weights = Weights::default();
    model.visit(&mut weights);
    weights.1
}

#[test]
fn folders_of_a_custom_family_follow_its_format() {
    let exported = Exported::new(json!({}));
    let tensors = exported.tensors();
    // A tied head has no tensor; the paths in the model have no prefix.
    let paths = weights(&exported.model);
    assert_eq!(tensors.len(), paths.len());
    for path in paths.keys() {
        let name = format!("toy.{}", path.replace("gamma", "weight"));
        assert!(tensors.contains_key(&name), "no {name}");
    }
    let nothing = Vec::<String>::new();
    assert_eq!(exported.read_as(json!({}), &tensors), nothing);
    let folder = HfFolder::open(&exported.path).unwrap();
    let alone = folder.load::<Toy>(&Device::flex()).unwrap().model;
    assert_eq!(weights(&alone), paths);

    // Names without the prefix, another name of the embeddings, leftovers of other tools, and keys without
    // effect.
    let bare = tensors.iter().map(|(name, tensor)| {
        let name = name.trim_start_matches("toy.").to_string();
        (name, tensor.clone())
    });
    assert_eq!(exported.read_as(json!({}), &bare.collect()), nothing);
    let mut other = tensors.clone();
    let embeddings = other.remove("toy.decoder.embed_tokens.weight").unwrap();
    other.insert("toy.decoder.wte.weight".to_string(), embeddings);
    let norm = other["toy.decoder.norm.weight"].clone();
    other.insert("toy.steps".to_string(), norm.clone());
    assert_eq!(
        exported.read_as(json!({"model_type": "toy-2"}), &other),
        nothing
    );
    other.insert("toy.momentum".to_string(), norm);
    let warnings = exported.read_as(json!({"dropout": 0.5}), &other);
    let [ignored, unread] = warnings.as_slice() else {
        panic!("{warnings:?}");
    };
    assert!(ignored.contains("dropout = 0.5") && unread.contains("toy.momentum"));
    assert!(!unread.contains("toy.steps"));

    let mut lacking = tensors;
    lacking.remove("toy.decoder.norm.weight");
    write(&exported.path.join("model.safetensors"), &lacking, &[]);
    match folder.load::<Mine>(&Device::flex()).unwrap_err() {
        LmError::MissingTensors { names, .. } => assert_eq!(names, ["toy.decoder.norm.weight"]),
        error => panic!("unexpected {error}"),
    }
}

#[test]
fn the_head_of_a_custom_family_has_its_own_name_and_flag() {
    let exported = Exported::new(json!({"tie_word_embeddings": false}));
    let tensors = exported.tensors();
    assert!(tensors.contains_key("decoder.lm_head.weight"));
    let written = HfFolder::open_for::<Mine>(&exported.path).unwrap();
    let keys = ["tie_word_embeddings", "was_tied"].map(|key| written.config()[key].clone());
    assert_eq!(keys, [json!(false), json!(true)]);
    assert_eq!(
        written
            .load::<Mine>(&Device::flex())
            .unwrap()
            .warnings
            .len(),
        0
    );

    let warnings = exported.read_as(json!({}), &tensors);
    let [warning] = warnings.as_slice() else {
        panic!("{warnings:?}");
    };
    assert!(warning.contains("decoder.lm_head.weight"), "{warning}");
    let apart = json!({"head_apart": true});
    assert_eq!(exported.read_as(apart, &tensors), Vec::<String>::new());
}

#[test]
fn the_tokenizer_of_a_custom_family_has_its_default_end_token_and_framing() {
    let exported = Exported::new(json!({}));
    let tokenizer = HfFolder::open_for::<Mine>(&exported.path);
    let tokenizer = tokenizer.unwrap().tokenizer().unwrap();
    assert_eq!(tokenizer.stop_tokens(), [2]);
    let [warning] = tokenizer.warnings() else {
        panic!("{:?}", tokenizer.warnings());
    };
    assert!(warning.contains("default of toy"), "{warning}");
    assert_eq!(tokenizer.framing(), Framing::TextToText);
    let example = tokenizer.example("ab", "c", 9).unwrap();
    assert_eq!((example.prompt[0], example.prompt.last()), (1, Some(&2)));
    assert_eq!((example.answer[0], example.answer.last()), (1, Some(&2)));
}

#[test]
fn a_custom_family_trains_and_generates_as_part_of_the_list() {
    let exported = Exported::new(json!({}));
    let folder = HfFolder::open_for::<Mine>(&exported.path).unwrap();
    let model: Mine = folder.load(&Device::flex().autodiff()).unwrap().model;
    let Mine::Toy(alone) = &model else {
        panic!("read as another family");
    };
    let example = Example::new(vec![1, 70, 71], vec![72, 2]);
    assert_eq!(model.target_count(&example), 2);
    let (expected, _) = alone.answer_loss(std::slice::from_ref(&example));
    let expected = f64::from(expected.into_scalar::<f32>());
    let mut trained = 0;
    let how = Backpropagation {
        scale: 1.0,
        map: &Unmapped,
        activation_checkpointing: true,
        packing: false,
        precision: MixedPrecision::None,
    };
    let sink = &mut |gradients: burn::optim::GradientsParams| trained += gradients.len();
    let loss = model.answer_gradients(std::slice::from_ref(&example), how, sink);
    // Rounding of another order of summation.
    assert!(
        (loss - expected).abs() < 1e-5 * expected,
        "{loss} {expected}"
    );
    // The tied embeddings get two gradients, one as embeddings and one as head.
    assert_eq!(trained, weights(&model).len() + 1);

    let prompts = [example.prompt.clone(), vec![9]];
    let greedy = GenerationOptions::greedy(4, Vec::new());
    let texts = model.generate(&prompts, &greedy);
    assert!(texts.iter().all(|text| text.len() == 4));
    assert_eq!(texts, alone.generate(&prompts, &greedy));
    let own = model.own_examples(&[5, 6], 6, &[2], 1);
    assert_eq!(own, alone.own_examples(&[5, 6], 6, &[2], 1));
    let device = Device::flex();
    for other in [
        model.valid(),
        model.valid().train(),
        model.clone().materialize(),
        model.clone().fork(&device),
        model.clone().to_device(&device),
    ] {
        assert_eq!(weights(&other), weights(alone));
    }
    assert_eq!(model.devices().len(), 1);
}

#[test]
fn errors_and_sizes_cover_exactly_the_families_of_the_list() {
    let unknown = json!({"model_type": "bert"});
    let error = |result: Result<(), LmError>| match result.unwrap_err() {
        LmError::Unsupported {
            field, supported, ..
        } => (field, supported),
        other => panic!("unexpected {other}"),
    };
    let path = Path::new("config.json");
    let device = Device::flex();
    let lists = [
        Mine::from_config(&unknown, path, &device).map(|_| ()),
        Model::from_config(&unknown, path, &device).map(|_| ()),
        Decoder::from_config(&unknown, path, &device).map(|_| ()),
    ];
    let decoders = "llama, mistral, qwen2, qwen3, gemma3_text, phi3, olmo2, granite, smollm3";
    let supported = [
        format!("{decoders}, t5, toy, toy-2"),
        format!("{decoders}, t5"),
        decoders.to_string(),
    ];
    for (list, supported) in lists.into_iter().zip(supported) {
        assert_eq!(error(list), ("model_type", supported));
    }

    // A list without the family neither reads nor writes its folders, and frames its texts with the default.
    let exported = Exported::new(json!({}));
    let closed = HfFolder::open(&exported.path).unwrap();
    let read = closed.load::<Model>(&device).map(|_| ());
    assert_eq!(error(read).1, format!("{decoders}, t5"));
    let llama = json!({"model_type": "llama", "hidden_size": 4, "intermediate_size": 4,
        "num_hidden_layers": 1, "num_attention_heads": 1, "vocab_size": 9});
    let llama = Model::from_config(&llama, path, &device).unwrap();
    let out = exported.scratch.path().join("out");
    let written = closed.export(&llama, &out, ExportPrecision::F32);
    assert_eq!(error(written).0, "model_type");
    fs::write(
        exported.path.join("tokenizer_config.json"),
        "{\"eos_token\": \"</s>\"}",
    )
    .unwrap();
    assert_eq!(closed.tokenizer().unwrap().framing(), Framing::Continuation);

    let names: Vec<&str> = sizes_of::<Mine>().map(|size| size.name).collect();
    assert!(names.contains(&"t5-small") && names.contains(&"toy-8"));
    assert!(lm::size_named("toy-8").is_none());
    let toy = sizes_of::<Mine>().last().unwrap();
    assert!(Mine::from_config(&toy.config, path, &device).is_ok());
}
