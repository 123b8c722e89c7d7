//! `config.json` of T5.

use std::path::Path;

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use crate::error::LmError;
use crate::files::{invalid, parse_config, refuse_zeros, token_ids, unsupported};

/// The token that ends a text if no file names one.
pub(super) const DEFAULT_END: u32 = 1;
/// Supported value of `model_type`.
pub(super) const MODEL_TYPE: &str = "t5";

/// Hyperparameters of a T5 model, with their names in `config.json`.
///
/// Keys that only concern other tools are ignored; keys that ask for an unsupported computation are errors.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[allow(missing_docs)] // The names are Hugging Face's own.
pub struct T5Config {
    pub model_type: String,
    pub vocab_size: usize,
    pub d_model: usize,
    pub d_kv: usize,
    pub d_ff: usize,
    pub num_layers: usize,
    #[serde(default)]
    pub num_decoder_layers: Option<usize>,
    pub num_heads: usize,
    #[serde(default = "default_buckets")]
    pub relative_attention_num_buckets: usize,
    #[serde(default = "default_distance")]
    pub relative_attention_max_distance: usize,
    #[serde(default = "default_norm_epsilon")]
    pub layer_norm_epsilon: f64,
    #[serde(default = "default_feed_forward")]
    pub feed_forward_proj: String,
    #[serde(default = "default_tied")]
    pub tie_word_embeddings: bool,
    /// Newer files state here whether the decoder's output is scaled before the output head. In older files
    /// [`tie_word_embeddings`](Self::tie_word_embeddings) decides that too.
    #[serde(default)]
    pub scale_decoder_outputs: Option<bool>,
    #[serde(default)]
    pub pad_token_id: u32,
    /// One token id or a list of them; the first one ends a text.
    #[serde(default = "default_end", deserialize_with = "one_or_more")]
    pub eos_token_id: Vec<u32>,
    #[serde(default)]
    pub decoder_start_token_id: Option<u32>,
}

/// The feed-forward network's nonlinearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `wo(relu(wi(x)))`: version 1.0.
    Relu,
    /// `wo(gelu(wi_0(x)) · wi_1(x))`, the tanh form of GELU: version 1.1.
    GatedGelu,
}

fn default_buckets() -> usize {
    32
}

fn default_distance() -> usize {
    128
}

fn default_norm_epsilon() -> f64 {
    1e-6
}

fn default_feed_forward() -> String {
    "relu".to_string()
}

fn default_tied() -> bool {
    true
}

fn default_end() -> Vec<u32> {
    vec![DEFAULT_END]
}

fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u32>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    if value.is_null() {
        return Ok(default_end());
    }
    match token_ids(&value) {
        Some(ids) if !ids.is_empty() => Ok(ids),
        _ => Err(de::Error::custom(format!(
            "expected a token id or a list of them, found {value}"
        ))),
    }
}

impl T5Config {
    /// Reads the hyperparameters from the parsed `config.json` at `path`.
    ///
    /// # Errors
    ///
    /// [`LmError::Json`] if a key is missing or of the wrong type, [`LmError::Unsupported`] and
    /// [`LmError::InvalidConfig`] if the model cannot be built from it.
    pub fn from_json(json: &Value, path: &Path) -> Result<Self, LmError> {
        let config: Self = parse_config(json, path)?;
        config.validate(path)?;
        Ok(config)
    }

    /// Number of decoder blocks; as many as encoder blocks unless the file says otherwise.
    pub fn decoder_layers(&self) -> usize {
        self.num_decoder_layers.unwrap_or(self.num_layers)
    }

    /// The token that every answer starts from.
    pub fn start_token(&self) -> u32 {
        self.decoder_start_token_id.unwrap_or(self.pad_token_id)
    }

    /// The token that ends a text.
    pub fn end_token(&self) -> u32 {
        self.eos_token_id.first().copied().unwrap_or(DEFAULT_END)
    }

    /// Whether the decoder's output is multiplied by `d_model^-0.5` before the output head. Embeddings of
    /// version 1.0 have a standard deviation of 1; the factor compensates for that if the head is tied to
    /// them.
    pub fn scales_decoder_outputs(&self) -> bool {
        self.scale_decoder_outputs
            .unwrap_or(self.tie_word_embeddings)
    }

    /// The feed-forward network's nonlinearity.
    pub fn activation(&self) -> Activation {
        match self.feed_forward_proj.as_str() {
            "gated-gelu" => Activation::GatedGelu,
            _ => Activation::Relu,
        }
    }

    fn validate(&self, path: &Path) -> Result<(), LmError> {
        if self.model_type != MODEL_TYPE {
            return unsupported(path, "model_type", &self.model_type, MODEL_TYPE);
        }
        if !matches!(self.feed_forward_proj.as_str(), "relu" | "gated-gelu") {
            let found = &self.feed_forward_proj;
            return unsupported(path, "feed_forward_proj", found, "relu, gated-gelu");
        }
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("d_model", self.d_model),
            ("d_kv", self.d_kv),
            ("d_ff", self.d_ff),
            ("num_layers", self.num_layers),
            ("num_decoder_layers", self.decoder_layers()),
            ("num_heads", self.num_heads),
        ];
        refuse_zeros(path, &sizes)?;
        let epsilon = self.layer_norm_epsilon;
        if !(epsilon > 0.0 && epsilon.is_finite()) {
            return invalid(
                path,
                format!("layer_norm_epsilon = {epsilon} must be above 0"),
            );
        }
        let buckets = self.relative_attention_num_buckets;
        if buckets < 4 || !buckets.is_multiple_of(2) {
            return invalid(
                path,
                format!(
                    "relative_attention_num_buckets = {buckets}; it must be even and at least 4"
                ),
            );
        }
        // The decoder uses all buckets for one side: half of them hold one distance each.
        let exact = buckets / 2;
        if self.relative_attention_max_distance <= exact {
            return invalid(
                path,
                format!(
                    "relative_attention_max_distance = {} must be above {exact}, the distances that \
                 have a bucket each",
                    self.relative_attention_max_distance
                ),
            );
        }
        let ends = self.eos_token_id.iter().map(|&id| ("eos_token_id", id));
        let others = [
            ("pad_token_id", self.pad_token_id),
            ("decoder_start_token_id", self.start_token()),
        ];
        for (name, token) in ends.chain(others) {
            if token as usize >= self.vocab_size {
                let size = self.vocab_size;
                return invalid(
                    path,
                    format!("{name} = {token} is not below vocab_size = {size}"),
                );
            }
        }
        Ok(())
    }
}
