//! Published shapes of the LLaMA family, and a builder for other shapes.

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::model::Size;

/// Shape of a LLaMA model without biases, attention window or scaled positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LlamaShape {
    /// Width of the hidden states.
    pub hidden: usize,
    /// Width inside the feed-forward networks.
    pub inner: usize,
    /// Number of decoder blocks.
    pub layers: usize,
    /// Number of query heads.
    pub heads: usize,
    /// Number of key and value heads, a divisor of [`heads`](Self::heads).
    pub key_heads: usize,
    /// Number of tokens in the vocabulary.
    pub vocabulary: usize,
    /// Whether the output head is tied to the token embeddings.
    pub tied: bool,
}

impl LlamaShape {
    /// The shape as a `config.json`.
    pub fn config(&self) -> Value {
        json!({
            "model_type": "llama", "hidden_size": self.hidden,
            "intermediate_size": self.inner, "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads, "num_key_value_heads": self.key_heads,
            "vocab_size": self.vocabulary, "tie_word_embeddings": self.tied
        })
    }
}

/// The published shapes.
pub(super) fn sizes() -> &'static [Size] {
    static SIZES: LazyLock<Vec<Size>> = LazyLock::new(|| {
        let chat_7b = LlamaShape {
            hidden: 4096,
            inner: 11008,
            layers: 32,
            heads: 32,
            key_heads: 32,
            vocabulary: 32000,
            tied: false,
        };
        vec![Size {
            name: "llama-2-7b-chat-hf",
            repository: "meta-llama/Llama-2-7b-chat-hf",
            config: chat_7b.config(),
            parameters: Some(6_738_415_616),
        }]
    });
    &SIZES
}
