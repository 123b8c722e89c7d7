//! Granite 3 and later dense models: LLaMAs with constant factors of embeddings, attention, residuals and logits.
//!
//! # References
//!
//! `GraniteForCausalLM` of Hugging Face transformers.

mod sizes;

use super::decoder::{ClassRules, DecoderFamily, DecoderParts, Keys, ignored, plain_format};
use crate::error::LmError;
use crate::model::FolderFormat;

pub(super) struct Granite;

impl DecoderFamily for Granite {
    const FORMAT: FolderFormat = FolderFormat {
        model_types: &["granite"],
        ignored_keys: |json| ignored(json, "granite", &["sliding_window", "layer_types"]),
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
        let factor = |key| Ok::<f64, LmError>(keys.optional(key)?.unwrap_or(1.0));
        parts.attention.scale = factor("attention_multiplier")?;
        parts.multipliers.embeddings = factor("embedding_multiplier")?;
        parts.multipliers.residual = factor("residual_multiplier")?;
        parts.multipliers.logits_divisor = factor("logits_scaling")?;
        Ok(parts)
    }
}
