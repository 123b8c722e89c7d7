//! SmolLM3: a LLaMA without rotary positions in some layers, by default in each fourth.
//!
//! # References
//!
//! `SmolLM3ForCausalLM` of Hugging Face transformers.

mod sizes;

use serde_json::json;

use super::decoder::{ClassRules, DecoderFamily, DecoderParts, Keys, plain_format};
use crate::error::LmError;
use crate::model::FolderFormat;

/// `no_rope_layer_interval` of the class.
const INTERVAL: usize = 4;

pub(super) struct SmolLm3;

impl DecoderFamily for SmolLm3 {
    const FORMAT: FolderFormat = FolderFormat {
        model_types: &["smollm3"],
        ties_by_default: true,
        default_end_token: Some(128_001),
        sizes: sizes::sizes,
        ..plain_format::<Self>()
    };
    const RULES: ClassRules = ClassRules {
        key_heads: Some(4),
        rope_base: 2_000_000.0,
        ..ClassRules::LLAMA
    };

    fn describe(keys: &Keys<'_>) -> Result<DecoderParts, LmError> {
        keys.only("use_sliding_window", json!(false))?;
        let mut parts = keys.parts()?;
        parts.attention.input_bias = keys.flag("attention_bias")?;
        parts.attention.output_bias = parts.attention.input_bias;
        parts.feed_forward.bias = keys.flag("mlp_bias")?;
        // Refuses a layer with a window.
        parts.set_windows(keys.windows(None, |_| false)?);
        let rotated = rotated(keys, parts.layers.len())?;
        for (layer, rotated) in parts.layers.iter_mut().zip(rotated) {
            layer.rotation = layer.rotation.filter(|_| rotated);
        }
        Ok(parts)
    }
}

/// Which layers have rotary positions. `no_rope_layers` says it, with 1 for those that have, despite its name.
fn rotated(keys: &Keys<'_>, layers: usize) -> Result<Vec<bool>, LmError> {
    let Some(given) = keys.optional::<Vec<u8>>("no_rope_layers")? else {
        let interval = keys.optional("no_rope_layer_interval")?.unwrap_or(INTERVAL);
        if interval == 0 {
            return keys
                .contradiction("no_rope_layer_interval is 0; it must be at least 1".to_string());
        }
        return Ok((1..=layers)
            .map(|layer| !layer.is_multiple_of(interval))
            .collect());
    };
    if given.len() != layers || given.iter().any(|&rotated| rotated > 1) {
        return keys.contradiction(format!(
            "no_rope_layers must have a 0 or a 1 for each of the {layers} layers (num_hidden_layers)"
        ));
    }
    Ok(given.iter().map(|&rotated| rotated == 1).collect())
}
