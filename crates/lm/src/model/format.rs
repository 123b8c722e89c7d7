//! What the model folders of a family hold, and under which names.

use std::path::Path;

use serde_json::Value;

use super::size::Size;
use crate::error::LmError;
use crate::text::Framing;

/// The key of `config.json` that ties the output head to the token embeddings.
const TIED: &str = "tie_word_embeddings";

/// Layout of the model folders of one family.
///
/// A parameter of the model has the name of its tensor in the files, less the
/// [`prefix`](Self::prefix); the weight of a `burn::nn::RmsNorm` is its `gamma`. Take fields that a
/// family has no use for from [`PLAIN`](Self::PLAIN).
#[derive(Clone, Copy, Debug)]
pub struct FolderFormat {
    /// Values of `model_type` in `config.json` that the family reads.
    pub model_types: &'static [&'static str],
    /// What every tensor's name begins with, except the output head's: `"model."`, or nothing.
    pub prefix: &'static str,
    /// Names of the tensor of the token embeddings, without the prefix. The first one is the model's own;
    /// files may store the same values under the others too.
    pub embeddings: &'static [&'static str],
    /// Name of the output head's tensor.
    pub head: &'static str,
    /// Whether the output head is the embeddings where `config.json` lacks `tie_word_embeddings`.
    pub ties_by_default: bool,
    /// Whether files of this `config.json` may hold an output head although it ties the head to the
    /// embeddings. Otherwise a warning says so.
    pub may_untie: fn(config: &Value) -> bool,
    /// Keeps what `tie_word_embeddings` decides besides the head, before its value is replaced: writes the
    /// key that says it. The second argument is the value so far.
    pub before_retying: fn(config: &mut Value, tied: bool),
    /// Whether a tensor is one that other tools store and ignore, so that nobody is warned of it.
    pub is_leftover: fn(tensor: &str) -> bool,
    /// Warnings about keys of `config.json` that transformers ignores although their names promise an
    /// effect.
    pub ignored_keys: fn(config: &Value) -> Vec<String>,
    /// The token that ends a text where no file names one: the default of the class in transformers.
    pub default_end_token: Option<u32>,
    /// How a prompt and an answer become the tokens of an example.
    pub framing: Framing,
    /// Shapes that publications use.
    pub sizes: fn() -> &'static [Size],
}

impl FolderFormat {
    /// A decoder-only family without a prefix, defaults or warnings. It reads no `model_type` yet.
    pub const PLAIN: Self = Self {
        model_types: &[],
        prefix: "",
        embeddings: &["embed_tokens.weight"],
        head: "lm_head.weight",
        ties_by_default: false,
        may_untie: |_| false,
        before_retying: |_, _| {},
        is_leftover: |_| false,
        ignored_keys: |_| Vec::new(),
        default_end_token: None,
        framing: Framing::Continuation,
        sizes: || &[],
    };

    /// The first format of a list that reads the parsed `config.json` at `path`.
    ///
    /// # Errors
    ///
    /// [`LmError::Unsupported`] if none does; it lists the values of `model_type` that the list reads.
    pub fn of_config(
        families: &[&'static Self],
        config: &Value,
        path: &Path,
    ) -> Result<&'static Self, LmError> {
        let format = families.iter().find(|format| format.reads(config));
        format.copied().ok_or_else(|| {
            let supported = families.iter().flat_map(|format| format.model_types);
            LmError::Unsupported {
                path: path.to_path_buf(),
                field: "model_type",
                found: config["model_type"].to_string(),
                supported: supported.copied().collect::<Vec<_>>().join(", "),
            }
        })
    }

    /// Whether the family reads a `config.json`.
    pub fn reads(&self, config: &Value) -> bool {
        let found = config["model_type"].as_str();
        found.is_some_and(|found| self.model_types.contains(&found))
    }

    /// Whether `config.json` ties the output head to the embeddings.
    pub(crate) fn ties(&self, config: &Value) -> bool {
        config[TIED].as_bool().unwrap_or(self.ties_by_default)
    }

    /// Makes `config.json` tie the head or not. It stays as it is where it says so already.
    pub(crate) fn retie(&self, config: &mut Value, tied: bool) {
        let was_tied = self.ties(config);
        if was_tied != tied {
            (self.before_retying)(config, was_tied);
            config[TIED] = Value::from(tied);
        }
    }
}
