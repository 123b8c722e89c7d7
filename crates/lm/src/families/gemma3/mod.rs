//! The text models of Gemma 3: norms before and after each part, stored as `γ - 1`; tanh GELU; scaled embeddings; five
//! layers with a window, and rotary positions of another base, for each layer without.
//!
//! # References
//!
//! `Gemma3ForCausalLM` of Hugging Face transformers.

mod sizes;

use serde_json::{Value, json};

use super::decoder::{
    Activation, ClassRules, DecoderFamily, DecoderParts, HeadNorm, Keys, NormPlaces, NormWeight,
    ignored, plain_format,
};
use crate::error::LmError;
use crate::model::FolderFormat;

/// `query_pre_attn_scalar` of the class.
const QUERY_SCALAR: f64 = 256.0;
/// `rope_local_base_freq` of the class.
const LOCAL_BASE: f64 = 10_000.0;
/// `sliding_window_pattern` of the class: each sixth layer has no window.
const PATTERN: usize = 6;

pub(super) struct Gemma3;

impl DecoderFamily for Gemma3 {
    const FORMAT: FolderFormat = FolderFormat {
        model_types: &["gemma3_text"],
        ties_by_default: true,
        ignored_keys: |json| ignored(json, "gemma3_text", &["mlp_bias"]),
        default_end_token: Some(1),
        sizes: sizes::sizes,
        ..plain_format::<Self>()
    };
    const RULES: ClassRules = ClassRules {
        key_heads: Some(4),
        head_width: Some(256),
        rope_base: 1_000_000.0,
        rope_by_layer: true,
        window: Some(4096),
        activation_key: "hidden_activation",
        activation: Activation::TanhGelu,
        ..ClassRules::LLAMA
    };

    fn describe(keys: &Keys<'_>) -> Result<DecoderParts, LmError> {
        for key in ["attn_logit_softcapping", "final_logit_softcapping"] {
            keys.only(key, Value::Null)?;
        }
        keys.only("use_bidirectional_attention", json!(false))?;
        let mut parts = keys.parts()?;
        parts.norm.places = NormPlaces::Both;
        parts.norm.weight = NormWeight::OnePlus;
        parts.attention.head_norm = Some(HeadNorm::EachHead);
        parts.attention.input_bias = keys.flag("attention_bias")?;
        parts.attention.output_bias = parts.attention.input_bias;
        let scalar = keys.optional("query_pre_attn_scalar")?;
        parts.attention.scale = scalar.unwrap_or(QUERY_SCALAR).powf(-0.5);
        parts.multipliers.embeddings = (parts.hidden as f64).sqrt();
        let pattern = keys.optional("sliding_window_pattern")?.unwrap_or(PATTERN);
        if pattern == 0 {
            return keys
                .contradiction("sliding_window_pattern is 0; it must be at least 1".to_string());
        }
        if keys.window().is_none() {
            return keys
                .contradiction("sliding_window is null; its layers need a number".to_string());
        }
        let windows = keys.windows(keys.window(), |layer| !(layer + 1).is_multiple_of(pattern))?;
        parts.set_windows(windows);
        let local = keys.rotation_of_windows("rope_local_base_freq", LOCAL_BASE)?;
        for layer in parts
            .layers
            .iter_mut()
            .filter(|layer| layer.window.is_some())
        {
            layer.rotation = Some(local);
        }
        Ok(parts)
    }
}
