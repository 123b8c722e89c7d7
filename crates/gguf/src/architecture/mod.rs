//! From the metadata and tensors of an architecture of llama.cpp to those of its class in transformers.
//!
//! # References
//!
//! llama.cpp's converter, `convert_hf_to_gguf.py` (`conversion/*.py` in newer versions), and the names in
//! `gguf-py/gguf/tensor_mapping.py` and `gguf-py/gguf/constants.py`.

mod families;
mod keys;
mod names;
mod rope;
mod sizes;
mod weights;

use serde_json::{Map, Value as Json, json};

use crate::error::GgufError;
use crate::file::{Gguf, Value};
use families::FAMILIES;
use keys::Keys;
use sizes::Sizes;
pub use weights::Weight;

/// What an architecture is in transformers, and what the converter did to it.
struct Architecture {
    /// `general.architecture`.
    name: &'static str,
    /// Its class in transformers, and its `model_type`.
    class: &'static str,
    model_type: &'static str,
    /// Names of the tensors of a layer.
    layer: names::LayerNames,
    /// Whether the converter rearranged the rows of queries and keys, see [`weights`].
    interleaved: bool,
    /// Whether the converter added 1 to the weights of norms.
    norms_plus_one: bool,
    /// Adds the settings that only this architecture has.
    complete: Complete,
}

/// Takes settings of a file and adds them to `config.json`.
type Complete = fn(&mut Keys<'_>, &Sizes, &mut Map<String, Json>) -> Result<(), GgufError>;

impl Gguf {
    /// `config.json` of the model.
    ///
    /// # Errors
    ///
    /// [`GgufError::Unsupported`] for an architecture or a computation that is not supported,
    /// [`GgufError::Metadata`] if a setting is missing, contradictory or unknown, [`GgufError::Tensor`] if a tensor
    /// has another shape than the settings call for.
    pub fn config(&self) -> Result<Json, GgufError> {
        let architecture = Architecture::of(self)?;
        let mut keys = Keys::of(self, architecture.name);
        let sizes = Sizes::take(&mut keys, self)?;
        let biased = |parts: &[&str]| {
            let name = |part: &&str| self.tensor_info(&format!("blk.0.{part}.bias")).is_some();
            parts.iter().any(name)
        };
        let mut config = Map::new();
        let mut set = |key: &str, value: Json| {
            config.insert(key.to_string(), value);
        };
        set("architectures", json!([architecture.class]));
        set("model_type", json!(architecture.model_type));
        set("hidden_size", json!(sizes.hidden));
        set("intermediate_size", json!(sizes.feed_forward));
        set("num_hidden_layers", json!(sizes.layers));
        set("num_attention_heads", json!(sizes.heads));
        set("num_key_value_heads", json!(sizes.key_value_heads));
        set("head_dim", json!(sizes.head_width));
        set("vocab_size", json!(sizes.vocabulary));
        set("max_position_embeddings", json!(sizes.context));
        set("rms_norm_eps", json!(sizes.norm_epsilon));
        set("hidden_act", json!("silu"));
        let attention = ["attn_q", "attn_k", "attn_v", "attn_qkv", "attn_output"];
        set("attention_bias", json!(biased(&attention)));
        set("attention_dropout", json!(0.0));
        let mlp = ["ffn_gate", "ffn_up", "ffn_down"];
        set("mlp_bias", json!(biased(&mlp)));
        set("initializer_range", json!(0.02));
        set("tie_word_embeddings", json!(self.is_tied()));
        for (key, id) in self.special_ids()? {
            set(key, json!(id));
        }
        set("torch_dtype", json!("float32"));
        (architecture.complete)(&mut keys, &sizes, &mut config)?;
        rope::settings(&mut keys, &sizes, &mut config)?;
        keys.finish()?;
        Ok(Json::Object(config))
    }

    /// Whether the output head is the embedding: the converter leaves out a head that is.
    fn is_tied(&self) -> bool {
        self.tensor_info("output.weight").is_none()
    }

    /// Ids of special tokens by their keys in `config.json`.
    fn special_ids(&self) -> Result<Vec<(&'static str, Option<u64>)>, GgufError> {
        let mut keys = Keys::of(self, "tokenizer.ggml");
        let mut id = |key, name| Ok((key, keys.count(name)?));
        Ok(vec![
            id("bos_token_id", "bos_token_id")?,
            id("eos_token_id", "eos_token_id")?,
            id("pad_token_id", "padding_token_id")?,
        ])
    }
}

impl Architecture {
    /// The architecture of a file.
    fn of(file: &Gguf) -> Result<&'static Self, GgufError> {
        let path = file.path();
        let mut general = Keys::of(file, "general");
        if let Some(kind) = general.text("type")?.filter(|kind| *kind != "model") {
            let supported = "model: a whole language model";
            return Err(GgufError::unsupported(
                path,
                "general.type",
                kind,
                supported,
            ));
        }
        let layouts = general.count("quantization_version")?;
        if let Some(version) = layouts.filter(|version| *version != 2) {
            let what = "general.quantization_version";
            let version = version.to_string();
            return Err(GgufError::unsupported(path, what, &version, "2"));
        }
        if let Some(&Value::Unsigned(parts @ 2..)) = file.metadata("split.count") {
            let supported = "one file: merge the parts with `llama-gguf-split --merge`";
            let found = format!("{parts} parts");
            return Err(GgufError::unsupported(
                path,
                "a model in several files,",
                &found,
                supported,
            ));
        }
        let Some(name) = general.text("architecture")? else {
            let reason = "it is missing; only files of language models are unpacked";
            return Err(GgufError::metadata(path, "general.architecture", reason));
        };
        let found = FAMILIES
            .iter()
            .find(|architecture| architecture.name == name)
            .copied();
        found.ok_or_else(|| {
            let names = FAMILIES.map(|architecture| architecture.name).join(", ");
            GgufError::unsupported(path, "architecture", name, &names)
        })
    }
}
