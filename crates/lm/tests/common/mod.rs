//! Tiny models of every variant of the LLaMA family, with weights drawn on the host.

#![allow(clippy::unwrap_used, dead_code)]

pub mod cases;
pub mod families;
pub mod naive;
pub mod t5;

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};
use lm::{Decoder, HfFolder, Pretrained};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

pub fn backends() -> Vec<(&'static str, Device)> {
    #[allow(deprecated)] // Burn 0.22 announces its removal; it is the reference backend here.
    let ndarray = Device::ndarray();
    vec![("ndarray", ndarray), ("flex", Device::flex())]
}

fn base() -> Value {
    json!({
        "model_type": "llama", "vocab_size": 41, "hidden_size": 24, "intermediate_size": 20,
        "num_hidden_layers": 2, "num_attention_heads": 6, "num_key_value_heads": 2,
        "head_dim": 4, "rms_norm_eps": 1e-5, "rope_theta": 100.0, "tie_word_embeddings": true,
        "hidden_act": "silu", "eos_token_id": [3, 5], "torch_dtype": "float32"
    })
}

/// Grouped queries and a tied head; LLaMA 3's RoPE, biases and an untied head; a sliding window and heads
/// wider than the hidden states.
pub fn configs() -> Vec<(&'static str, Value)> {
    let with = |changes: Value| {
        let mut config = base();
        for (key, value) in changes.as_object().unwrap() {
            config[key] = value.clone();
        }
        config
    };
    vec![
        ("grouped", base()),
        (
            "llama3",
            with(json!({
                "num_key_value_heads": 6, "attention_bias": true, "tie_word_embeddings": false,
                "rope_scaling": {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0,
                    "high_freq_factor": 4.0, "original_max_position_embeddings": 16}
            })),
        ),
        (
            "window",
            with(json!({
                "model_type": "mistral", "sliding_window": 3, "head_dim": 8,
                "tie_word_embeddings": false, "rope_theta": null,
                "rope_parameters": {"rope_type": "default", "rope_theta": 50.0}
            })),
        ),
    ]
}

/// Draws weights on the host from a range of this width: norm weights around 1, matrices around 0.
pub struct Draw {
    pub random: ChaCha8Rng,
    pub device: Device,
    pub width: f32,
}

impl ModuleMapper for Draw {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape = param.dims();
        let count = shape.iter().product();
        let centre = if D == 1 { 1.0 } else { 0.0 };
        let values: Vec<f32> = (0..count)
            .map(|_| centre + self.width * (self.random.random::<f32>() - 0.5))
            .collect();
        let tensor = Tensor::from_data(TensorData::new(values, shape), &self.device);
        Param::initialized(param.id, tensor)
    }
}

/// A model whose weights only depend on `seed`, large enough that attention is uneven.
pub fn model(config: &Value, seed: u64, device: &Device) -> Decoder {
    let model = Decoder::from_config(config, Path::new("config.json"), device).unwrap();
    model.map(&mut Draw {
        random: ChaCha8Rng::seed_from_u64(seed),
        device: device.clone(),
        width: 0.6,
    })
}

/// Writes the model's folder like other tools do.
pub fn folder(config: &Value, model: &Decoder, path: &Path) -> HfFolder {
    let source = path.join("source");
    std::fs::create_dir_all(&source).unwrap();
    std::fs::write(source.join("config.json"), config.to_string()).unwrap();
    std::fs::write(source.join("chat_template.jinja"), "{{ messages }}").unwrap();
    let source = HfFolder::open(source).unwrap();
    let out = path.join("model");
    source
        .export(model, &out, lm::ExportPrecision::F32)
        .unwrap();
    HfFolder::open(out).unwrap()
}

pub fn rows() -> Vec<Vec<u32>> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    [11, 4, 7, 1]
        .iter()
        .map(|&length| (0..length).map(|_| rng.random_range(6..41)).collect())
        .collect()
}

/// Shapes of all parameters, by path.
pub fn shapes<M: Module>(module: &M) -> BTreeMap<String, Vec<usize>> {
    #[derive(Default)]
    struct Shapes(Vec<String>, BTreeMap<String, Vec<usize>>);
    impl ModuleVisitor for Shapes {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.0.push(name.to_string());
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.1.insert(self.0.join("."), param.dims().to_vec());
        }
    }
    let mut shapes = Shapes::default();
    module.visit(&mut shapes);
    shapes.1
}

/// All values of a tensor.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}
