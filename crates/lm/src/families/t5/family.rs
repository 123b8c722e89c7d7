//! Model folders of the T5 family.

use std::path::Path;

use burn::tensor::Device;
use serde_json::Value;

use super::config::{DEFAULT_END, MODEL_TYPE};
use super::pass_numbers::pass_numbers;
use super::sizes::sizes;
use super::{T5, T5Config};
use crate::error::LmError;
use crate::model::{Family, FolderFormat};
use crate::text::Framing;

/// The key that states whether the decoder's output is scaled before the output head. transformers 5 writes
/// it, and `tie_word_embeddings` always as true. In older files `tie_word_embeddings` alone decides both.
const SCALE: &str = "scale_decoder_outputs";

impl Family for T5 {
    const FORMAT: FolderFormat = FolderFormat {
        model_types: &[MODEL_TYPE],
        embeddings: &[
            "shared.weight",
            "encoder.embed_tokens.weight",
            "decoder.embed_tokens.weight",
        ],
        ties_by_default: true,
        may_untie: |config| !config[SCALE].is_null(),
        before_retying,
        // A table from the original code that cross-attention does not use.
        is_leftover: |tensor| {
            tensor.starts_with("decoder.")
                && tensor.ends_with("EncDecAttention.relative_attention_bias.weight")
        },
        default_end_token: Some(DEFAULT_END),
        framing: Framing::TextToText,
        sizes,
        pass_numbers,
        ..FolderFormat::PLAIN
    };

    fn build(config: &Value, path: &Path, device: &Device) -> Result<Self, LmError> {
        Ok(Self::new(&T5Config::from_json(config, path)?, device))
    }
}

/// Writes the scale key if so far `tie_word_embeddings` alone stated whether the output is scaled.
///
/// transformers 5 reads the same model from the result. transformers 4 does so only where it can: it supports
/// neither a scaled output with an untied head nor an unscaled output with a tied head.
fn before_retying(config: &mut Value, tied: bool) {
    if config[SCALE].is_null() {
        config[SCALE] = Value::from(tied);
    }
}
