//! Published shapes of Granite.

use std::sync::LazyLock;

use serde_json::json;

use crate::model::Size;

/// The published shapes.
pub(super) fn sizes() -> &'static [Size] {
    static SIZES: LazyLock<[Size; 1]> = LazyLock::new(|| {
        [Size {
            name: "granite-3.3-2b-instruct",
            repository: "ibm-granite/granite-3.3-2b-instruct",
            config: json!({
                "model_type": "granite", "hidden_size": 2048, "intermediate_size": 8192,
                "num_hidden_layers": 40, "num_attention_heads": 32,
                "num_key_value_heads": 8, "vocab_size": 49159, "rms_norm_eps": 1e-05,
                "rope_theta": 10000000.0, "embedding_multiplier": 12.0,
                "attention_multiplier": 0.015625, "residual_multiplier": 0.22,
                "logits_scaling": 8.0, "tie_word_embeddings": true
            }),
            parameters: Some(2_533_539_840),
        }]
    });
    SIZES.as_slice()
}
