//! Published shapes of Mistral.

use std::sync::LazyLock;

use serde_json::json;

use crate::model::Size;

/// The published shapes.
pub(super) fn sizes() -> &'static [Size] {
    static SIZES: LazyLock<[Size; 1]> = LazyLock::new(|| {
        [Size {
            name: "mistral-7b-v0.1",
            repository: "mistralai/Mistral-7B-v0.1",
            config: json!({
                "model_type": "mistral", "hidden_size": 4096, "intermediate_size": 14336,
                "num_hidden_layers": 32, "num_attention_heads": 32,
                "num_key_value_heads": 8, "vocab_size": 32000, "sliding_window": 4096,
                "rms_norm_eps": 1e-05, "tie_word_embeddings": false
            }),
            parameters: Some(7_241_732_096),
        }]
    });
    SIZES.as_slice()
}
