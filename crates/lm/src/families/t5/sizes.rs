//! Published shapes of T5 and Flan-T5.

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::model::Size;

/// Version 1.0: ReLU and a tied output head.
fn t5(d_model: usize, d_ff: usize, layers: usize, heads: usize) -> Value {
    json!({
        "model_type": "t5", "vocab_size": 32128, "d_model": d_model, "d_kv": 64, "d_ff": d_ff,
        "num_layers": layers, "num_heads": heads
    })
}

/// Version 1.1: gated GELU and an untied output head.
fn flan(d_model: usize, d_ff: usize, layers: usize, heads: usize) -> Value {
    let mut config = t5(d_model, d_ff, layers, heads);
    config["feed_forward_proj"] = json!("gated-gelu");
    config["tie_word_embeddings"] = json!(false);
    config
}

/// The published shapes.
pub(super) fn sizes() -> &'static [Size] {
    static SIZES: LazyLock<Vec<Size>> = LazyLock::new(|| {
        let size = |name, repository, config, parameters| Size {
            name,
            repository,
            config,
            parameters: Some(parameters),
        };
        vec![
            size(
                "t5-small",
                "google-t5/t5-small",
                t5(512, 2048, 6, 8),
                60_506_624,
            ),
            size(
                "t5-base",
                "google-t5/t5-base",
                t5(768, 3072, 12, 12),
                222_903_552,
            ),
            size(
                "t5-large",
                "google-t5/t5-large",
                t5(1024, 4096, 24, 16),
                737_668_096,
            ),
            size(
                "flan-t5-small",
                "google/flan-t5-small",
                flan(512, 1024, 8, 6),
                76_961_152,
            ),
            size(
                "flan-t5-base",
                "google/flan-t5-base",
                flan(768, 2048, 12, 12),
                247_577_856,
            ),
            size(
                "flan-t5-large",
                "google/flan-t5-large",
                flan(1024, 2816, 24, 16),
                783_150_080,
            ),
        ]
    });
    &SIZES
}
