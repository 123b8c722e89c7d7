//! Published shapes of Phi-3 and Phi-4.

use std::sync::LazyLock;

use serde_json::json;

use crate::model::Size;

/// The published shapes.
pub(super) fn sizes() -> &'static [Size] {
    static SIZES: LazyLock<[Size; 2]> = LazyLock::new(|| {
        [
            Size {
                name: "phi-3-mini-4k-instruct",
                repository: "microsoft/Phi-3-mini-4k-instruct",
                config: json!({
                    "model_type": "phi3", "hidden_size": 3072, "intermediate_size": 8192,
                    "num_hidden_layers": 32, "num_attention_heads": 32,
                    "num_key_value_heads": 32, "vocab_size": 32064, "sliding_window": 2047,
                    "tie_word_embeddings": false
                }),
                parameters: Some(3_821_079_552),
            },
            Size {
                name: "phi-4",
                repository: "microsoft/phi-4",
                config: json!({
                    "model_type": "phi3", "hidden_size": 5120, "intermediate_size": 17920,
                    "num_hidden_layers": 40, "num_attention_heads": 40,
                    "num_key_value_heads": 10, "vocab_size": 100352, "rope_theta": 250000.0,
                    "tie_word_embeddings": false
                }),
                parameters: Some(14_659_507_200),
            },
        ]
    });
    SIZES.as_slice()
}
