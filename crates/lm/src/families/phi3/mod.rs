//! Phi-3 and Phi-4: LLaMAs whose projections are fused, and whose heads may be rotated in part.
//!
//! # References
//!
//! `Phi3ForCausalLM` of Hugging Face transformers.

mod sizes;

use super::decoder::{ClassRules, DecoderFamily, DecoderParts, Keys, ignored, plain_format};
use crate::error::LmError;
use crate::model::FolderFormat;

pub(super) struct Phi3;

impl DecoderFamily for Phi3 {
    const FORMAT: FolderFormat = FolderFormat {
        model_types: &["phi3"],
        ignored_keys: |json| ignored(json, "phi3", &["attention_bias", "mlp_bias", "layer_types"]),
        default_end_token: Some(32000),
        sizes: sizes::sizes,
        ..plain_format::<Self>()
    };
    const RULES: ClassRules = ClassRules {
        epsilon: 1e-5,
        rotates_parts: true,
        // Under longrope, the positions of a text depend on its length and on that of its neighbours in a batch.
        rope_kinds: &["default"],
        ..ClassRules::LLAMA
    };

    fn describe(keys: &Keys<'_>) -> Result<DecoderParts, LmError> {
        let mut parts = keys.parts()?;
        parts.attention.fused = true;
        parts.feed_forward.fused = true;
        for layer in &mut parts.layers {
            layer.window = keys.window();
        }
        Ok(parts)
    }
}
