//! `config.json` of the LLaMA family.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::rope_config::{RopeScaling, Stretch};
use crate::error::LmError;
use crate::files::{invalid, parse_config, refuse_zeros, unsupported};

/// Supported values of `model_type`.
pub(super) const MODEL_TYPES: &[&str] = &["llama", "mistral"];
/// Window of Mistral's class in transformers if `config.json` has no key for it.
const MISTRAL_WINDOW: usize = 4096;
/// Number of key and value heads of Mistral's class if `config.json` has no key for it.
const MISTRAL_KEY_VALUE_HEADS: usize = 8;

/// Hyperparameters of a LLaMA-family model, with their names in `config.json`.
///
/// Keys that only concern other tools are ignored; keys that ask for an unsupported computation are errors.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[allow(missing_docs)] // The names are Hugging Face's own.
pub struct LlamaConfig {
    pub model_type: String,
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    #[serde(default)]
    pub num_key_value_heads: Option<usize>,
    #[serde(default)]
    pub head_dim: Option<usize>,
    #[serde(default = "default_norm_epsilon")]
    pub rms_norm_eps: f64,
    #[serde(default)]
    pub rope_theta: Option<f64>,
    #[serde(default)]
    pub rope_scaling: Option<RopeScaling>,
    /// Newer files store `rope_theta` and the scaling together here.
    #[serde(default)]
    pub rope_parameters: Option<RopeScaling>,
    #[serde(default)]
    pub tie_word_embeddings: bool,
    /// [`from_json`](Self::from_json) removes it for LLaMA, which has no window, and sets 4096 for a Mistral
    /// model without the key.
    #[serde(default)]
    pub sliding_window: Option<usize>,
    #[serde(default)]
    pub attention_bias: bool,
    #[serde(default)]
    pub mlp_bias: bool,
    #[serde(default = "default_activation")]
    pub hidden_act: String,
    #[serde(default = "default_positions")]
    pub max_position_embeddings: usize,
}

fn default_norm_epsilon() -> f64 {
    1e-6
}

fn default_activation() -> String {
    "silu".to_string()
}

fn default_positions() -> usize {
    2048
}

impl LlamaConfig {
    /// Reads the hyperparameters from the parsed `config.json` at `path`.
    ///
    /// # Errors
    ///
    /// [`LmError::Json`] if a key is missing or of the wrong type, [`LmError::Unsupported`] and
    /// [`LmError::InvalidConfig`] if the model cannot be built from it.
    pub fn from_json(json: &Value, path: &Path) -> Result<Self, LmError> {
        let mut config: Self = parse_config(json, path)?;
        config.apply_class_defaults(json);
        config.validate(path)?;
        Ok(config)
    }

    /// Applies the defaults of the model's class in transformers, and removes the keys that the class
    /// ignores.
    fn apply_class_defaults(&mut self, json: &Value) {
        if self.model_type != "mistral" {
            self.sliding_window = None;
            return;
        }
        // An explicit null means that there is none.
        let absent = |key: &str| json.get(key).is_none();
        if absent("sliding_window") {
            self.sliding_window = Some(MISTRAL_WINDOW);
        }
        if absent("num_key_value_heads") {
            self.num_key_value_heads = Some(MISTRAL_KEY_VALUE_HEADS);
        }
        self.attention_bias = false;
        self.mlp_bias = false;
    }

    /// Number of key and value heads; query heads share them in equal groups.
    pub fn key_value_heads(&self) -> usize {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    /// Width of one attention head.
    pub fn head_width(&self) -> usize {
        self.head_dim
            .unwrap_or(self.hidden_size / self.num_attention_heads.max(1))
    }

    /// Base and scaling of the rotary frequencies.
    ///
    /// # Errors
    ///
    /// A sentence about a contradiction between `rope_theta`, `rope_scaling` and `rope_parameters`, or about
    /// a missing or invalid value.
    pub(crate) fn rope(&self) -> Result<(f64, Stretch), String> {
        let top_level = RopeScaling {
            rope_theta: self.rope_theta,
            ..RopeScaling::default()
        };
        let scaling = self.rope_scaling.clone().unwrap_or_default();
        let parameters = self.rope_parameters.clone().unwrap_or_default();
        let all = scaling.joined(&parameters)?.joined(&top_level)?;
        Ok((all.base()?, all.stretch()?))
    }

    fn validate(&self, path: &Path) -> Result<(), LmError> {
        if !MODEL_TYPES.contains(&self.model_type.as_str()) {
            return unsupported(
                path,
                "model_type",
                &self.model_type,
                &MODEL_TYPES.join(", "),
            );
        }
        if self.hidden_act != "silu" {
            return unsupported(path, "hidden_act", &self.hidden_act, "silu");
        }
        for scaling in [&self.rope_scaling, &self.rope_parameters] {
            let kind = scaling.as_ref().and_then(|s| s.rope_type.as_deref());
            if let Some(kind) = kind
                && !RopeScaling::KINDS.contains(&kind)
            {
                return unsupported(path, "rope_type", kind, &RopeScaling::KINDS.join(", "));
            }
        }
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("num_key_value_heads", self.key_value_heads()),
            ("head_dim", self.head_width()),
        ];
        refuse_zeros(path, &sizes)?;
        if !self
            .num_attention_heads
            .is_multiple_of(self.key_value_heads())
        {
            return invalid(
                path,
                format!(
                    "num_attention_heads = {} is not a multiple of num_key_value_heads = {}",
                    self.num_attention_heads,
                    self.key_value_heads()
                ),
            );
        }
        if !self.head_width().is_multiple_of(2) {
            return invalid(
                path,
                format!(
                    "head_dim = {} is odd; rotary embeddings need pairs",
                    self.head_width()
                ),
            );
        }
        if self.sliding_window == Some(0) {
            return invalid(
                path,
                "sliding_window is 0; use null for no window".to_string(),
            );
        }
        if let Err(reason) = self.rope() {
            return invalid(path, reason);
        }
        if !(self.rms_norm_eps > 0.0 && self.rms_norm_eps.is_finite()) {
            return invalid(
                path,
                format!("rms_norm_eps = {} must be above 0", self.rms_norm_eps),
            );
        }
        Ok(())
    }
}

/// Warnings about keys of a `config.json` that transformers ignores too, although their names suggest an
/// effect.
pub(super) fn ignored_keys(json: &Value) -> Vec<String> {
    let set = |key: &&&str| matches!(&json[**key], Value::Number(_) | Value::Bool(true));
    let (class, keys): (_, &[&str]) = match json["model_type"].as_str() {
        Some("mistral") => ("mistral", &["attention_bias", "mlp_bias"]),
        _ => ("llama", &["sliding_window"]),
    };
    let warning = |key: &&str| {
        let value = &json[*key];
        format!(
            "{key} = {value} in config.json is ignored, as in transformers: models of type {class} have \
             none"
        )
    };
    keys.iter().filter(set).map(warning).collect()
}
