//! Published shapes of OLMo 2.

use std::sync::LazyLock;

use serde_json::json;

use crate::model::Size;

/// The published shapes.
pub(super) fn sizes() -> &'static [Size] {
    static SIZES: LazyLock<[Size; 2]> = LazyLock::new(|| {
        [
            Size {
                name: "olmo-2-0425-1b",
                repository: "allenai/OLMo-2-0425-1B",
                config: json!({
                    "model_type": "olmo2", "hidden_size": 2048, "intermediate_size": 8192,
                    "num_hidden_layers": 16, "num_attention_heads": 16,
                    "num_key_value_heads": 16, "vocab_size": 100352, "rms_norm_eps": 1e-06,
                    "rope_theta": 500000.0, "tie_word_embeddings": false
                }),
                parameters: Some(1_484_916_736),
            },
            Size {
                name: "olmo-2-1124-7b",
                repository: "allenai/OLMo-2-1124-7B",
                config: json!({
                    "model_type": "olmo2", "hidden_size": 4096, "intermediate_size": 11008,
                    "num_hidden_layers": 32, "num_attention_heads": 32,
                    "num_key_value_heads": 32, "vocab_size": 100352, "rms_norm_eps": 1e-06,
                    "rope_theta": 500000.0, "tie_word_embeddings": false
                }),
                parameters: Some(7_298_617_344),
            },
        ]
    });
    SIZES.as_slice()
}
