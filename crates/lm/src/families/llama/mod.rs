//! LLaMA 1 to 3, SmolLM2 and other models of this architecture.
//!
//! Norms before attention and feed-forward network, rotary positions with LLaMA 3's frequency scaling.
//!
//! # References
//!
//! `LlamaForCausalLM` of Hugging Face transformers.

mod sizes;

pub use sizes::LlamaShape;

use super::decoder::{ClassRules, DecoderFamily, DecoderParts, Keys, ignored, plain_format};
use crate::error::LmError;
use crate::model::FolderFormat;

pub(crate) struct Llama;

impl DecoderFamily for Llama {
    const FORMAT: FolderFormat = FolderFormat {
        model_types: &["llama"],
        ignored_keys: |json| ignored(json, "llama", &["sliding_window", "layer_types"]),
        default_end_token: Some(2),
        sizes: sizes::sizes,
        ..plain_format::<Self>()
    };
    const RULES: ClassRules = ClassRules::LLAMA;

    fn describe(keys: &Keys<'_>) -> Result<DecoderParts, LmError> {
        let mut parts = keys.parts()?;
        parts.attention.input_bias = keys.flag("attention_bias")?;
        parts.attention.output_bias = parts.attention.input_bias;
        parts.feed_forward.bias = keys.flag("mlp_bias")?;
        Ok(parts)
    }
}
