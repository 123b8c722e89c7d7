//! Qwen3: a LLaMA whose queries and keys are normalized head by head.
//!
//! # References
//!
//! `Qwen3ForCausalLM` of Hugging Face transformers.

mod sizes;

use super::decoder::{
    ClassRules, DecoderFamily, DecoderParts, HeadNorm, Keys, ignored, plain_format,
};
use super::qwen2::set_windows;
use crate::error::LmError;
use crate::model::FolderFormat;

pub(super) struct Qwen3;

impl DecoderFamily for Qwen3 {
    const FORMAT: FolderFormat = FolderFormat {
        model_types: &["qwen3"],
        ignored_keys: |json| ignored(json, "qwen3", &["mlp_bias"]),
        sizes: sizes::sizes,
        ..plain_format::<Self>()
    };
    const RULES: ClassRules = ClassRules {
        key_heads: Some(32),
        head_width: Some(128),
        window: Some(4096),
        ..ClassRules::LLAMA
    };

    fn describe(keys: &Keys<'_>) -> Result<DecoderParts, LmError> {
        let mut parts = keys.parts()?;
        parts.attention.input_bias = keys.flag("attention_bias")?;
        parts.attention.output_bias = parts.attention.input_bias;
        parts.attention.head_norm = Some(HeadNorm::EachHead);
        set_windows(&mut parts, keys)?;
        Ok(parts)
    }
}
