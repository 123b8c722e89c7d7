//! Model folders of the LLaMA family.

use std::path::Path;

use burn::tensor::Device;
use serde_json::Value;

use super::config::{MODEL_TYPES, ignored_keys};
use super::pass_numbers::pass_numbers;
use super::sizes::sizes;
use super::{Llama, LlamaConfig};
use crate::error::LmError;
use crate::model::{Family, FolderFormat};

impl Family for Llama {
    const FORMAT: FolderFormat = FolderFormat {
        model_types: MODEL_TYPES,
        prefix: "model.",
        embeddings: &["embed_tokens.weight"],
        // Rotary frequencies, which are computed from the configuration.
        is_leftover: |tensor| tensor.ends_with("rotary_emb.inv_freq"),
        ignored_keys,
        default_end_token: Some(2),
        sizes,
        pass_numbers,
        ..FolderFormat::PLAIN
    };

    fn build(config: &Value, path: &Path, device: &Device) -> Result<Self, LmError> {
        Ok(Self::new(&LlamaConfig::from_json(config, path)?, device))
    }
}
