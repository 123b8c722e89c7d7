//! Tiny T5 models of both versions, and examples for them.

use std::path::Path;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};
use lm::{Example, Pretrained, T5};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

pub const VOCABULARY: u32 = 30;

pub fn config(gated: bool) -> Value {
    json!({
        "model_type": "t5", "vocab_size": VOCABULARY, "d_model": 16, "d_kv": 6, "d_ff": 20,
        "num_layers": 2, "num_decoder_layers": 3, "num_heads": 2,
        "relative_attention_num_buckets": 8, "relative_attention_max_distance": 10,
        "feed_forward_proj": if gated { "gated-gelu" } else { "relu" },
        "tie_word_embeddings": !gated, "pad_token_id": 0, "eos_token_id": 1,
        "decoder_start_token_id": 0, "torch_dtype": "float32"
    })
}

pub fn both() -> [(&'static str, Value); 2] {
    [("v1.0", config(false)), ("v1.1", config(true))]
}

pub fn model(config: &Value, device: &Device) -> T5 {
    struct Draw(ChaCha8Rng, Device);
    impl ModuleMapper for Draw {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let shape = param.dims();
            let count = shape.iter().product();
            let centre = if D == 1 { 1.0 } else { 0.0 };
            let values: Vec<f32> = (0..count)
                .map(|_| centre + 0.9 * (self.0.random::<f32>() - 0.5))
                .collect();
            let tensor = Tensor::from_data(TensorData::new(values, shape), &self.1);
            Param::initialized(param.id, tensor)
        }
    }
    let model = T5::from_config(config, Path::new("config.json"), device).unwrap();
    model.map(&mut Draw(ChaCha8Rng::seed_from_u64(5), device.clone()))
}

pub fn examples() -> Vec<Example> {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut row = |length| {
        (0..length)
            .map(|_| rng.random_range(2..VOCABULARY))
            .collect()
    };
    [(13, 4), (1, 7), (5, 1), (0, 3)]
        .map(|(prompt, answer)| Example {
            prompt: row(prompt),
            answer: row(answer),
        })
        .to_vec()
}
