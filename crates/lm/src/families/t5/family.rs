//! T5's model folders.

use std::path::Path;

use burn::tensor::Device;
use serde_json::Value;

use super::config::{DEFAULT_END, MODEL_TYPE};
use super::sizes::sizes;
use super::{T5, T5Config};
use crate::error::LmError;
use crate::model::{Family, FolderFormat};
use crate::text::Framing;

/// The key that says whether the decoder's output is scaled before the head. transformers 5 writes it, and
/// `tie_word_embeddings` always as true. In older files that flag alone decides both.
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
        // A table of the original code, which cross-attention does not use.
        is_leftover: |tensor| {
            tensor.starts_with("decoder.")
                && tensor.ends_with("EncDecAttention.relative_attention_bias.weight")
        },
        default_end_token: Some(DEFAULT_END),
        framing: Framing::TextToText,
        sizes,
        ..FolderFormat::PLAIN
    };

    fn build(config: &Value, path: &Path, device: &Device) -> Result<Self, LmError> {
        Ok(Self::new(&T5Config::from_json(config, path)?, device))
    }
}

/// Writes the key where the flag alone said whether the output is scaled.
///
/// transformers 5 reads the same model from the result, and transformers 4 where it can: it has neither a
/// scaled output before a head of its own, nor an unscaled one before a tied head.
fn before_retying(config: &mut Value, tied: bool) {
    if config[SCALE].is_null() {
        config[SCALE] = Value::from(tied);
    }
}
