//! The keys of `config.json` that decoder-only families share.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::parts::{
    Activation, AttentionParts, DecoderParts, FeedForwardParts, LayerParts, Multipliers, NormParts,
    NormPlaces, NormWeight,
};
use crate::error::LmError;
use crate::files::{invalid, parse_config, unsupported};

/// What a family's class in transformers makes of the shared keys: their defaults where `config.json` lacks them (a key
/// whose value is null is not lacking), and which values are supported.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClassRules {
    /// `num_key_value_heads`; `None` for as many as query heads.
    pub key_heads: Option<usize>,
    /// `head_dim`; `None` for the hidden size divided by the number of query heads.
    pub head_width: Option<usize>,
    /// `rms_norm_eps`
    pub epsilon: f64,
    /// `rope_theta`
    pub rope_base: f64,
    /// Supported values of `rope_type`.
    pub rope_kinds: &'static [&'static str],
    /// Whether a part of each head may be rotated (`partial_rotary_factor`).
    pub rotates_parts: bool,
    /// Whether `rope_parameters` has an entry for each type of layer.
    pub rope_by_layer: bool,
    /// `sliding_window`
    pub window: Option<usize>,
    /// The key of the activation.
    pub activation_key: &'static str,
    /// The only activation that is supported, and the default.
    pub activation: Activation,
}

impl ClassRules {
    /// Those of LLaMA's class.
    pub(crate) const LLAMA: Self = Self {
        key_heads: None,
        head_width: None,
        epsilon: 1e-6,
        rope_base: 10_000.0,
        rope_kinds: &["default", "linear", "llama3"],
        rotates_parts: false,
        rope_by_layer: false,
        window: None,
        activation_key: "hidden_act",
        activation: Activation::Silu,
    };
}

/// The keys of a `config.json`, read for a description.
///
/// Keys that only concern other tools are ignored; keys that ask for an unsupported computation are errors.
pub(crate) struct Keys<'a> {
    pub(super) json: &'a Value,
    pub(super) path: &'a Path,
    pub(super) shared: Shared,
    tied: bool,
    pub(super) rules: ClassRules,
}

/// Keys that every family has, with their names in `config.json`.
#[derive(Deserialize)]
pub(super) struct Shared {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    #[serde(default)]
    num_key_value_heads: Option<usize>,
    #[serde(default)]
    head_dim: Option<usize>,
    #[serde(default)]
    rms_norm_eps: Option<f64>,
    #[serde(default)]
    pub(super) rope_theta: Option<f64>,
    #[serde(default)]
    pub(super) partial_rotary_factor: Option<f64>,
    #[serde(default)]
    sliding_window: Option<usize>,
    #[serde(default)]
    layer_types: Option<Vec<String>>,
}

impl<'a> Keys<'a> {
    /// Reads the shared keys of the parsed `config.json` at `path`; `tied` says whether the output head is tied.
    ///
    /// # Errors
    ///
    /// [`LmError::Json`] if a key is missing or of the wrong type, [`LmError::Unsupported`] for quantized weights,
    /// [`LmError::InvalidConfig`] for too many layers.
    pub(super) fn read(
        json: &'a Value,
        path: &'a Path,
        tied: bool,
        rules: ClassRules,
    ) -> Result<Self, LmError> {
        let shared: Shared = parse_config(json, path)?;
        DecoderParts::check_layers(shared.num_hidden_layers, path)?;
        Ok(Self {
            json,
            path,
            shared,
            tied,
            rules,
        })
    }

    /// A LLaMA of these sizes: norms before attention and feed-forward network, no biases, rotary positions and no
    /// window in any layer.
    ///
    /// # Errors
    ///
    /// [`LmError::Unsupported`] or [`LmError::InvalidConfig`] about rotary positions, [`LmError::Unsupported`] about
    /// the activation.
    pub(crate) fn parts(&self) -> Result<DecoderParts, LmError> {
        let (keys, rules) = (&self.shared, &self.rules);
        self.only(rules.activation_key, Value::from(rules.activation.name()))?;
        let key_heads = self.or_default(
            "num_key_value_heads",
            keys.num_key_value_heads,
            rules.key_heads,
        );
        let head_width = self.head_width();
        let layer = LayerParts {
            window: None,
            rotation: Some(self.rotation()?),
        };
        Ok(DecoderParts {
            vocabulary: keys.vocab_size,
            hidden: keys.hidden_size,
            tied: self.tied,
            norm: NormParts {
                places: NormPlaces::Before,
                weight: NormWeight::Plain,
                epsilon: keys.rms_norm_eps.unwrap_or(rules.epsilon),
            },
            attention: AttentionParts {
                heads: keys.num_attention_heads,
                key_heads: key_heads.unwrap_or(keys.num_attention_heads),
                head_width,
                scale: (head_width as f64).powf(-0.5),
                fused: false,
                input_bias: false,
                output_bias: false,
                head_norm: None,
            },
            feed_forward: FeedForwardParts {
                inner: keys.intermediate_size,
                activation: rules.activation,
                fused: false,
                bias: false,
            },
            multipliers: Multipliers {
                embeddings: 1.0,
                residual: 1.0,
                logits_divisor: 1.0,
            },
            layers: vec![layer; keys.num_hidden_layers],
        })
    }

    /// The value of a key, or the class's default if the key is lacking.
    fn or_default<T>(&self, key: &str, value: Option<T>, default: Option<T>) -> Option<T> {
        match self.json.get(key) {
            Some(_) => value,
            None => default,
        }
    }

    /// Width of one head.
    pub(super) fn head_width(&self) -> usize {
        let (keys, rules) = (&self.shared, &self.rules);
        let given = self.or_default("head_dim", keys.head_dim, rules.head_width);
        given.unwrap_or(keys.hidden_size / keys.num_attention_heads.max(1))
    }

    /// The window of every layer, by `layer_types` or else by `slides`.
    ///
    /// # Errors
    ///
    /// [`LmError::Unsupported`] for an unknown type of layer, [`LmError::InvalidConfig`] for a wrong number of them,
    /// or if a layer has a window whose size is not given.
    pub(crate) fn windows(
        &self,
        window: Option<usize>,
        slides: impl Fn(usize) -> bool,
    ) -> Result<Vec<Option<usize>>, LmError> {
        let layers = self.shared.num_hidden_layers;
        let Some(types) = &self.shared.layer_types else {
            return Ok((0..layers)
                .map(|layer| window.filter(|_| slides(layer)))
                .collect());
        };
        if types.len() != layers {
            return invalid(
                self.path,
                format!(
                    "layer_types has {} entries for num_hidden_layers = {layers}",
                    types.len()
                ),
            );
        }
        let of_layer = |kind: &String| match (kind.as_str(), window) {
            ("full_attention", _) => Ok(None),
            ("sliding_attention", Some(window)) => Ok(Some(window)),
            ("sliding_attention", None) => invalid(
                self.path,
                "layer_types has sliding_attention, but there is no sliding_window that is in use"
                    .to_string(),
            ),
            (other, _) => unsupported(
                self.path,
                "layer_types",
                other,
                "full_attention, sliding_attention",
            ),
        };
        types.iter().map(of_layer).collect()
    }

    /// `sliding_window`, or the class's default.
    pub(crate) fn window(&self) -> Option<usize> {
        self.or_default(
            "sliding_window",
            self.shared.sliding_window,
            self.rules.window,
        )
    }

    /// A key of the family, read as a type; `None` if it is lacking or null.
    ///
    /// # Errors
    ///
    /// [`LmError::Json`] if it is of another type.
    pub(crate) fn optional<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, LmError> {
        self.parsed(key, &self.json[key])
    }

    /// A key of the family that is true or false; false if it is lacking.
    ///
    /// # Errors
    ///
    /// [`LmError::Json`] if it is of another type.
    pub(crate) fn flag(&self, key: &str) -> Result<bool, LmError> {
        Ok(self.optional(key)?.unwrap_or(false))
    }

    /// Refuses a key with a value other than null and `supported`.
    ///
    /// # Errors
    ///
    /// [`LmError::Unsupported`] with the key.
    pub(crate) fn only(&self, key: &'static str, supported: Value) -> Result<(), LmError> {
        let found = &self.json[key];
        match found.is_null() || *found == supported {
            true => Ok(()),
            false => self.refuse(key, &supported.to_string()),
        }
    }

    /// The error about the value of a key that asks for something unsupported.
    pub(crate) fn refuse<T>(&self, key: &'static str, supported: &str) -> Result<T, LmError> {
        Err(LmError::Unsupported {
            path: self.path.to_path_buf(),
            field: key,
            found: self.json[key].to_string(),
            supported: supported.to_string(),
        })
    }

    /// The error about a contradiction.
    pub(crate) fn contradiction<T>(&self, reason: String) -> Result<T, LmError> {
        invalid(self.path, reason)
    }

    pub(super) fn parsed<T: DeserializeOwned>(
        &self,
        key: &str,
        value: &Value,
    ) -> Result<Option<T>, LmError> {
        Option::<T>::deserialize(value).map_err(|error| LmError::Json {
            path: self.path.to_path_buf(),
            reason: format!("{key}: {error}"),
        })
    }
}

/// Warnings about keys of a `config.json` that the class of transformers ignores too, although their names suggest an
/// effect.
pub(crate) fn ignored(json: &Value, class: &str, keys: &[&str]) -> Vec<String> {
    let asks = |value: &Value| match value {
        Value::Number(_) | Value::Bool(true) => true,
        Value::Array(layers) => layers.iter().any(|layer| layer != "full_attention"),
        _ => false,
    };
    let warning = |key: &&str| {
        let value = &json[*key];
        format!(
            "{key} = {value} in config.json is ignored, as in transformers: models of type {class} have \
             none"
        )
    };
    keys.iter()
        .filter(|key| asks(&json[**key]))
        .map(warning)
        .collect()
}
