//! Small model folders as other tools write them, made from the weights in `tests/cases`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use lm::{
    Example, ExportPrecision, HfFolder, LanguageModel, LmError, Loaded, Model, TextTokenizer,
};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::values;

/// Relative tolerance for f32 references that are printed with seven digits.
pub const RELATIVE: f64 = 1e-4;

pub fn case_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/cases")
        .join(name)
}

/// A model folder that can be changed.
pub struct Folder {
    path: PathBuf,
    _scratch: TempDir,
}

/// The tensors of a file, by name.
pub type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

impl Folder {
    pub fn new(config: &Value, weights: &str, tokenizer: &Value) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let folder = Self {
            path: scratch.path().to_path_buf(),
            _scratch: scratch,
        };
        fs::copy(case_file(weights), folder.path().join("model.safetensors")).unwrap();
        folder.write("config.json", &config.to_string());
        folder.write("tokenizer.json", &tokenizer.to_string());
        folder
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder's model, exported to another folder in f32.
    pub fn exported(&self) -> Self {
        self.exported_as(ExportPrecision::F32)
    }

    /// The folder's model, exported to another folder.
    pub fn exported_as(&self, precision: ExportPrecision) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("model");
        let source = HfFolder::open(self.path()).unwrap();
        let model = self.load().unwrap().model;
        source.export(&model, &path, precision).unwrap();
        Self {
            path,
            _scratch: scratch,
        }
    }

    pub fn write(&self, name: &str, text: &str) -> &Self {
        fs::write(self.path().join(name), text).unwrap();
        self
    }

    pub fn tensors(&self) -> Tensors {
        read(&self.path().join("model.safetensors"))
    }

    pub fn write_tensors(&self, tensors: &Tensors) -> &Self {
        write(&self.path().join("model.safetensors"), tensors, &[]);
        self
    }

    pub fn load(&self) -> Result<Loaded<Model>, LmError> {
        HfFolder::open(self.path())?.load(&Device::flex().autodiff())
    }

    pub fn tokenizer(&self) -> Result<TextTokenizer, LmError> {
        HfFolder::open(self.path())?.tokenizer()
    }

    /// The numbers of a first step over all rows, counted like the trainer does.
    pub fn step(&self, rows: &[(String, String)]) -> Step {
        let Loaded { model, warnings } = self.load().unwrap();
        let tokenizer = self.tokenizer().unwrap();
        let examples: Vec<Example> = rows
            .iter()
            .map(|(prompt, answer)| tokenizer.example(prompt, answer, usize::MAX).unwrap())
            .collect();
        let (loss, count) = model.answer_loss(&examples);
        let loss = loss / count as f64;
        let gradients = GradientsParams::from_grads(loss.clone().backward(), &model);
        Step {
            loss: values(loss)[0],
            gradient_norm: norm(&model, &gradients),
            tokens: examples.iter().map(Example::len).sum(),
            warnings,
        }
    }
}

/// The numbers of a first step.
pub struct Step {
    /// Mean loss over all answer tokens of all rows.
    pub loss: f64,
    /// Norm of the gradients of all parameters together, before clipping.
    pub gradient_norm: f64,
    /// Number of tokens in prompts and answers, including end tokens.
    pub tokens: usize,
    /// Warnings of loading.
    pub warnings: Vec<String>,
}

pub fn close(what: &str, found: f64, expected: f64, relative: f64) {
    assert!(
        (found - expected).abs() <= relative * expected,
        "{what}: {found}, not {expected}"
    );
}

fn norm<M: Module>(module: &M, gradients: &GradientsParams) -> f64 {
    struct Squares<'a>(&'a GradientsParams, f64);
    impl ModuleVisitor for Squares<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = self.0.get::<D>(param.id);
            let squares = gradient.map(|gradient| values(gradient).iter().map(|v| v * v).sum());
            self.1 += squares.unwrap_or(0.0);
        }
    }
    let mut squares = Squares(gradients, 0.0);
    module.visit(&mut squares);
    squares.1.sqrt()
}

/// Four questions with their answers.
pub fn rows() -> Vec<(String, String)> {
    let file: Value = json_file("rows.json");
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_string();
    let rows = file.as_array().unwrap().iter();
    rows.map(|row| (text(row, "prompt"), text(row, "answer")))
        .collect()
}

/// The same rows with every prompt repeated `times` times.
pub fn long_rows(times: usize) -> Vec<(String, String)> {
    let rows = rows().into_iter();
    rows.map(|(prompt, answer)| (prompt.repeat(times), answer))
        .collect()
}

fn json_file(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(case_file(name)).unwrap()).unwrap()
}

/// A tokenizer with one token per byte and `<s>` (1) in front of every text.
pub fn tokenizer() -> Value {
    json_file("tokenizer.json")
}

/// The same tokenizer with other tokens around a text.
pub fn tokenizer_with(before: &[&str], behind: &[&str]) -> Value {
    let special = |token: &&str| json!({"SpecialToken": {"id": token, "type_id": 0}});
    let mut single: Vec<Value> = before.iter().map(special).collect();
    single.push(json!({"Sequence": {"id": "A", "type_id": 0}}));
    single.extend(behind.iter().map(special));
    let mut tokenizer = tokenizer();
    tokenizer["post_processor"]["single"] = Value::from(single);
    tokenizer
}

/// A copy of a JSON object with changed values; null removes a key.
pub fn with(json: &Value, changes: Value) -> Value {
    let mut changed = json.clone();
    for (key, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => {
                changed.as_object_mut().unwrap().remove(key);
            }
            value => changed[key] = value.clone(),
        }
    }
    changed
}

pub fn llama() -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
        "bos_token_id": 1, "dtype": "float32", "eos_token_id": 2, "head_dim": 8,
        "hidden_act": "silu", "hidden_size": 32, "initializer_range": 0.02,
        "intermediate_size": 48, "max_position_embeddings": 256, "mlp_bias": false,
        "model_type": "llama", "num_attention_heads": 4, "num_hidden_layers": 2,
        "num_key_value_heads": 2, "pad_token_id": 0, "pretraining_tp": 1, "rms_norm_eps": 1e-5,
        "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"},
        "tie_word_embeddings": false, "transformers_version": "5.24.0", "use_cache": true,
        "vocab_size": 264
    })
}

/// T5 version 1.1 as transformers 4 saves it.
pub fn t5() -> Value {
    json!({
        "architectures": ["T5ForConditionalGeneration"], "d_ff": 40, "d_kv": 8, "d_model": 24,
        "decoder_start_token_id": 0, "dropout_rate": 0.0, "dtype": "float32", "eos_token_id": 2,
        "feed_forward_proj": "gated-gelu", "is_encoder_decoder": true,
        "layer_norm_epsilon": 1e-6, "model_type": "t5", "num_decoder_layers": 2, "num_heads": 3,
        "num_layers": 2, "pad_token_id": 0, "relative_attention_max_distance": 20,
        "relative_attention_num_buckets": 8, "tie_word_embeddings": false, "vocab_size": 264
    })
}

/// A tokenizer like T5's, with an end token after every text.
pub fn t5_tokenizer() -> Value {
    tokenizer_with(&[], &["</s>"])
}

pub fn read(path: &Path) -> Tensors {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.iter()
        .map(|(name, view)| {
            let data = (view.dtype(), view.shape().to_vec(), view.data().to_vec());
            (name.to_string(), data)
        })
        .collect()
}

/// Writes tensors, and metadata about them.
pub fn write(path: &Path, tensors: &Tensors, metadata: &[(&str, &str)]) {
    let views = tensors.iter().map(|(name, (dtype, shape, data))| {
        let view = TensorView::new(*dtype, shape.clone(), data).unwrap();
        (name.clone(), view)
    });
    let metadata = metadata.iter();
    let metadata = metadata.map(|(key, value)| (key.to_string(), value.to_string()));
    safetensors::serialize_to_file(views, Some(metadata.collect()), path).unwrap();
}
