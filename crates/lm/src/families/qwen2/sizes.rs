//! Published shapes of Qwen2.5.

use std::sync::LazyLock;

use serde_json::json;

use crate::model::Size;

/// The published shapes.
pub(super) fn sizes() -> &'static [Size] {
    static SIZES: LazyLock<[Size; 2]> = LazyLock::new(|| {
        [
            Size {
                name: "qwen2.5-0.5b",
                repository: "Qwen/Qwen2.5-0.5B",
                config: json!({
                    "model_type": "qwen2", "hidden_size": 896, "intermediate_size": 4864,
                    "num_hidden_layers": 24, "num_attention_heads": 14,
                    "num_key_value_heads": 2, "vocab_size": 151936, "rope_theta": 1000000.0,
                    "tie_word_embeddings": true
                }),
                parameters: Some(494_032_768),
            },
            Size {
                name: "qwen2.5-7b",
                repository: "Qwen/Qwen2.5-7B",
                config: json!({
                    "model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944,
                    "num_hidden_layers": 28, "num_attention_heads": 28,
                    "num_key_value_heads": 4, "vocab_size": 152064, "rope_theta": 1000000.0,
                    "tie_word_embeddings": false
                }),
                parameters: Some(7_615_616_512),
            },
        ]
    });
    SIZES.as_slice()
}
