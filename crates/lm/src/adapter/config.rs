//! `adapter_config.json`: what an adapter is, and what of it can be read.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::LmError;
use crate::files::{parse_config, read_if_there};
use crate::folder::ADAPTER_CONFIG as CONFIG;

/// The keys that are read or written, in PEFT's names.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct AdapterConfig {
    pub peft_type: String,
    #[serde(default)]
    pub base_model_name_or_path: Option<String>,
    /// The revision of a base model on the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    #[serde(default)]
    pub task_type: Option<String>,
    pub r: usize,
    pub lora_alpha: f64,
    #[serde(default)]
    pub target_modules: Value,
    #[serde(default)]
    pub lora_dropout: f64,
    #[serde(default = "no_bias")]
    pub bias: String,
    #[serde(default)]
    pub fan_in_fan_out: bool,
    #[serde(default)]
    pub use_rslora: bool,
    #[serde(default)]
    pub use_dora: bool,
    #[serde(default)]
    pub lora_bias: bool,
    #[serde(default)]
    pub modules_to_save: Option<Vec<String>>,
    #[serde(default)]
    pub rank_pattern: Option<Map<String, Value>>,
    #[serde(default)]
    pub alpha_pattern: Option<Map<String, Value>>,
    #[serde(default)]
    pub inference_mode: bool,
    /// A word for a start that changes the weights of the model too; true and false change nothing.
    #[serde(default, skip_serializing)]
    pub init_lora_weights: Value,
    /// Tokens from which on the adapter works.
    #[serde(default, skip_serializing)]
    pub alora_invocation_tokens: Value,
}

fn no_bias() -> String {
    "none".to_string()
}

impl AdapterConfig {
    /// Reads the configuration of an adapter whose change is `scale · A B` and nothing else.
    ///
    /// # Errors
    ///
    /// [`LmError::NoAdapter`] if the folder has none, [`LmError::Json`], [`LmError::GitLfsPointer`] and
    /// [`LmError::Io`] if it cannot be read, [`LmError::Unsupported`] if the adapter is of another kind,
    /// [`LmError::InvalidConfig`] if its rank or its scale makes no sense.
    pub(super) fn read(folder: &Path) -> Result<Self, LmError> {
        let Some(json) = read_if_there(folder, CONFIG)? else {
            return Err(LmError::NoAdapter {
                folder: folder.to_path_buf(),
            });
        };
        let path = folder.join(CONFIG);
        let config: Self = parse_config(&json, &path)?;
        let unsupported = |field: &'static str, found: String, supported: &str| {
            Err(LmError::Unsupported {
                path: path.clone(),
                field,
                found,
                supported: supported.to_string(),
            })
        };
        if config.peft_type != "LORA" {
            return unsupported("peft_type", config.peft_type, "LORA");
        }
        if config.bias != "none" {
            return unsupported("bias", config.bias, "none");
        }
        for (field, set) in [
            ("use_dora", config.use_dora),
            ("lora_bias", config.lora_bias),
            ("fan_in_fan_out", config.fan_in_fan_out),
        ] {
            if set {
                return unsupported(field, "true".to_string(), "false");
            }
        }
        if let Some(saved) = config
            .modules_to_save
            .as_ref()
            .filter(|list| !list.is_empty())
        {
            return unsupported("modules_to_save", saved.join(", "), "none");
        }
        if let Some(pattern) = config.alpha_pattern.as_ref().filter(|map| !map.is_empty()) {
            let keys: Vec<&str> = pattern.keys().map(String::as_str).collect();
            return unsupported("alpha_pattern", keys.join(", "), "one alpha for all layers");
        }
        // Others (pissa, olora, loftq, corda, lora_ga, …) change the weights of the model too.
        let keeps_weights = ["gaussian", "eva", "orthogonal"];
        if let Some(start) = config.init_lora_weights.as_str()
            && !keeps_weights.contains(&start)
        {
            let supported = "true, false, gaussian, eva, orthogonal: others change the weights of the model too";
            return unsupported("init_lora_weights", start.to_string(), supported);
        }
        if !config.alora_invocation_tokens.is_null() {
            let found = config.alora_invocation_tokens.to_string();
            return unsupported("alora_invocation_tokens", found, "none");
        }
        for field in ["use_qalora", "use_bdlora"] {
            if json.get(field).and_then(Value::as_bool) == Some(true) {
                return unsupported(field, "true".to_string(), "false");
            }
        }
        for field in ["layer_replication", "trainable_token_indices"] {
            if json.get(field).is_some_and(|value| !value.is_null()) {
                return unsupported(field, json[field].to_string(), "none");
            }
        }
        if config.r == 0 || !config.lora_alpha.is_finite() {
            return Err(LmError::InvalidConfig {
                path,
                reason: format!(
                    "r = {} and lora_alpha = {}: expected r of at least 1 and a finite lora_alpha",
                    config.r, config.lora_alpha
                ),
            });
        }
        Ok(config)
    }

    /// The scale of a layer whose factors have this inner dimension.
    pub(super) fn scale(&self, adapter_rank: usize) -> f64 {
        let rank = adapter_rank.max(1) as f64;
        match self.use_rslora {
            true => self.lora_alpha / rank.sqrt(),
            false => self.lora_alpha / rank,
        }
    }
}
