//! Tiny models of every family that the decoder serves, beside LLaMA and Mistral: `config.json` of each.

use serde_json::{Value, json};

/// A copy of a JSON object with changed values.
fn with(mut json: Value, changes: &Value) -> Value {
    for (key, value) in changes.as_object().into_iter().flatten() {
        json[key] = value.clone();
    }
    json
}

/// Every family by name. Each has what tells it from LLaMA in a form that a wrong term would change.
pub fn families() -> Vec<(&'static str, Value)> {
    let shared = json!({
        "vocab_size": 41, "hidden_size": 24, "intermediate_size": 20, "num_hidden_layers": 2,
        "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 4, "rms_norm_eps": 1e-5,
        "rope_theta": 100.0, "tie_word_embeddings": false, "eos_token_id": 3, "torch_dtype": "float32"
    });
    let own = [
        (
            "qwen2",
            json!({
                "use_sliding_window": true, "sliding_window": 3, "max_window_layers": 1,
                "tie_word_embeddings": true
            }),
        ),
        ("qwen3", json!({"head_dim": 6})),
        (
            "gemma3_text",
            json!({
                "num_key_value_heads": 1, "sliding_window": 3, "rope_local_base_freq": 10.0,
                "layer_types": ["sliding_attention", "full_attention"], "query_pre_attn_scalar": 5.0,
                "tie_word_embeddings": true
            }),
        ),
        ("phi3", json!({"partial_rotary_factor": 0.5})),
        ("olmo2", json!({})),
        (
            "granite",
            json!({
                "embedding_multiplier": 3.0, "attention_multiplier": 0.2, "residual_multiplier": 0.4,
                "logits_scaling": 2.5, "tie_word_embeddings": true
            }),
        ),
        ("smollm3", json!({"no_rope_layers": [1, 0]})),
    ];
    own.into_iter()
        .map(|(name, own)| {
            let typed = with(shared.clone(), &json!({"model_type": name}));
            (name, with(typed, &own))
        })
        .collect()
}
