//! OLMo 2: norms after attention and feed-forward network in place of before; queries and keys are normalized over all
//! heads.
//!
//! # References
//!
//! `Olmo2ForCausalLM` of Hugging Face transformers.

mod sizes;

use super::decoder::{
    ClassRules, DecoderFamily, DecoderParts, HeadNorm, Keys, NormPlaces, ignored, plain_format,
};
use crate::error::LmError;
use crate::model::FolderFormat;

pub(super) struct Olmo2;

impl DecoderFamily for Olmo2 {
    const FORMAT: FolderFormat = FolderFormat {
        model_types: &["olmo2"],
        ignored_keys: |json| {
            ignored(
                json,
                "olmo2",
                &["mlp_bias", "sliding_window", "layer_types", "clip_qkv"],
            )
        },
        default_end_token: Some(50279),
        sizes: sizes::sizes,
        ..plain_format::<Self>()
    };
    const RULES: ClassRules = ClassRules {
        epsilon: 1e-5,
        ..ClassRules::LLAMA
    };

    fn describe(keys: &Keys<'_>) -> Result<DecoderParts, LmError> {
        let mut parts = keys.parts()?;
        parts.norm.places = NormPlaces::After;
        parts.attention.head_norm = Some(HeadNorm::AllHeads);
        parts.attention.input_bias = keys.flag("attention_bias")?;
        parts.attention.output_bias = parts.attention.input_bias;
        Ok(parts)
    }
}
