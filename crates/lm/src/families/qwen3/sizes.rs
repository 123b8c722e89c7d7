//! Published shapes of Qwen3.

use std::sync::LazyLock;

use serde_json::json;

use crate::model::Size;

/// The published shapes.
pub(super) fn sizes() -> &'static [Size] {
    static SIZES: LazyLock<[Size; 2]> = LazyLock::new(|| {
        [
            Size {
                name: "qwen3-0.6b",
                repository: "Qwen/Qwen3-0.6B",
                config: json!({
                    "model_type": "qwen3", "hidden_size": 1024, "intermediate_size": 3072,
                    "num_hidden_layers": 28, "num_attention_heads": 16,
                    "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936,
                    "rope_theta": 1000000.0, "tie_word_embeddings": true
                }),
                parameters: Some(596_049_920),
            },
            Size {
                name: "qwen3-8b",
                repository: "Qwen/Qwen3-8B",
                config: json!({
                    "model_type": "qwen3", "hidden_size": 4096, "intermediate_size": 12288,
                    "num_hidden_layers": 36, "num_attention_heads": 32,
                    "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936,
                    "rope_theta": 1000000.0, "tie_word_embeddings": false
                }),
                parameters: Some(8_190_735_360),
            },
        ]
    });
    SIZES.as_slice()
}
