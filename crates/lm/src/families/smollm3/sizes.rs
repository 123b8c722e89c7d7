//! Published shapes of SmolLM3.

use std::sync::LazyLock;

use serde_json::json;

use crate::model::Size;

/// The published shapes.
pub(super) fn sizes() -> &'static [Size] {
    static SIZES: LazyLock<[Size; 1]> = LazyLock::new(|| {
        [Size {
            name: "smollm3-3b",
            repository: "HuggingFaceTB/SmolLM3-3B",
            config: json!({
                "model_type": "smollm3", "hidden_size": 2048, "intermediate_size": 11008,
                "num_hidden_layers": 36, "num_attention_heads": 16,
                "num_key_value_heads": 4, "vocab_size": 128256, "rope_theta": 5000000.0,
                "tie_word_embeddings": true
            }),
            parameters: Some(3_075_098_624),
        }]
    });
    SIZES.as_slice()
}
