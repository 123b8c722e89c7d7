//! Mistral: a LLaMA whose tokens see a window of earlier ones.
//!
//! # References
//!
//! `MistralForCausalLM` of Hugging Face transformers.

mod sizes;

use super::decoder::{ClassRules, DecoderFamily, DecoderParts, Keys, ignored, plain_format};
use crate::error::LmError;
use crate::model::FolderFormat;

pub(super) struct Mistral;

impl DecoderFamily for Mistral {
    const FORMAT: FolderFormat = FolderFormat {
        model_types: &["mistral"],
        ignored_keys: |json| {
            ignored(
                json,
                "mistral",
                &["attention_bias", "mlp_bias", "layer_types"],
            )
        },
        default_end_token: Some(2),
        sizes: sizes::sizes,
        ..plain_format::<Self>()
    };
    const RULES: ClassRules = ClassRules {
        key_heads: Some(8),
        window: Some(4096),
        ..ClassRules::LLAMA
    };

    fn describe(keys: &Keys<'_>) -> Result<DecoderParts, LmError> {
        let mut parts = keys.parts()?;
        for layer in &mut parts.layers {
            layer.window = keys.window();
        }
        Ok(parts)
    }
}
