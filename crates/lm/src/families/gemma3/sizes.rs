//! Published shapes of Gemma 3.

use std::sync::LazyLock;

use serde_json::json;

use crate::model::Size;

/// The published shapes.
pub(super) fn sizes() -> &'static [Size] {
    static SIZES: LazyLock<[Size; 2]> = LazyLock::new(|| {
        [
            Size {
                name: "gemma-3-270m",
                repository: "google/gemma-3-270m",
                config: json!({
                    "model_type": "gemma3_text", "hidden_size": 640,
                    "intermediate_size": 2048, "num_hidden_layers": 18,
                    "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 256,
                    "vocab_size": 262144, "sliding_window": 512,
                    "query_pre_attn_scalar": 256
                }),
                parameters: Some(268_098_176),
            },
            Size {
                name: "gemma-3-1b-it",
                repository: "google/gemma-3-1b-it",
                config: json!({
                    "model_type": "gemma3_text", "hidden_size": 1152,
                    "intermediate_size": 6912, "num_hidden_layers": 26,
                    "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 256,
                    "vocab_size": 262144, "sliding_window": 512,
                    "query_pre_attn_scalar": 256
                }),
                parameters: Some(999_885_952),
            },
        ]
    });
    SIZES.as_slice()
}
