//! Tiny T5 models of both versions, and examples for them.

use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use lm::{Example, Pretrained, T5};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::Draw;

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
    let model = T5::from_config(config, Path::new("config.json"), device).unwrap();
    model.map(&mut Draw {
        random: ChaCha8Rng::seed_from_u64(5),
        device: device.clone(),
        width: 0.9,
    })
}

pub fn examples() -> Vec<Example> {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut row = |length| {
        (0..length)
            .map(|_| rng.random_range(2..VOCABULARY))
            .collect()
    };
    [(13, 4), (1, 7), (5, 1), (0, 3)]
        .map(|(prompt, answer)| Example::new(row(prompt), row(answer)))
        .to_vec()
}
