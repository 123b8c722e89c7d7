//! Qwen2 and Qwen2.5: LLaMAs with biases on queries, keys and values, and a window in the upper layers if
//! `use_sliding_window` asks for it.
//!
//! # References
//!
//! `Qwen2ForCausalLM` of Hugging Face transformers.

mod sizes;

use super::decoder::{ClassRules, DecoderFamily, DecoderParts, Keys, ignored, plain_format};
use crate::error::LmError;
use crate::model::FolderFormat;

/// `max_window_layers` of the class.
const LAYERS_WITHOUT_WINDOW: usize = 28;

pub(super) struct Qwen2;

impl DecoderFamily for Qwen2 {
    const FORMAT: FolderFormat = FolderFormat {
        model_types: &["qwen2"],
        ignored_keys: |json| ignored(json, "qwen2", &["attention_bias", "mlp_bias"]),
        sizes: sizes::sizes,
        ..plain_format::<Self>()
    };
    const RULES: ClassRules = ClassRules {
        key_heads: Some(32),
        window: Some(4096),
        ..ClassRules::LLAMA
    };

    fn describe(keys: &Keys<'_>) -> Result<DecoderParts, LmError> {
        let mut parts = keys.parts()?;
        parts.attention.input_bias = true;
        set_windows(&mut parts, keys)?;
        Ok(parts)
    }
}

/// Sets the windows of Qwen's layers: none, or one in each from `max_window_layers` on.
pub(super) fn set_windows(parts: &mut DecoderParts, keys: &Keys<'_>) -> Result<(), LmError> {
    let in_use = keys.flag("use_sliding_window")?;
    let first = keys.optional("max_window_layers")?;
    let first = first.unwrap_or(LAYERS_WITHOUT_WINDOW);
    let window = keys.window().filter(|_| in_use);
    parts.set_windows(keys.windows(window, |layer| layer >= first)?);
    Ok(())
}
