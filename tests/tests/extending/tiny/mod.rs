mod network;

use std::path::Path;

use burn::tensor::Device;
use lm::{Family, FolderFormat, LmError, parse_config};
use serde_json::Value;

pub use network::{Config, Tiny};

/// Folders whose `config.json` has the `model_type` "tiny", and tensors with the names of the network's
/// parameters.
impl Family for Tiny {
    const FORMAT: FolderFormat = FolderFormat {
        model_types: &["tiny"],
        embeddings: &["decoder.embed_tokens.weight"],
        head: "decoder.lm_head.weight",
        ..FolderFormat::PLAIN
    };

    fn build(json: &Value, path: &Path, device: &Device) -> Result<Self, LmError> {
        let config: Config = parse_config(json, path)?;
        Tiny::new(&config, path, device)
    }
}
