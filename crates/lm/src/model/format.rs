//! The format of a family's model folders.

use std::path::Path;

use serde_json::Value;

use super::pass_numbers::PassNumbers;
use super::size::Size;
use crate::error::LmError;
use crate::text::Framing;

/// The key of `config.json` that states whether the output head is tied to the token embeddings.
const TIED: &str = "tie_word_embeddings";

/// Format of the model folders of one family.
///
/// A parameter of the model has the name of its tensor in the files, without the [`prefix`](Self::prefix);
/// the weight of a `burn::nn::RmsNorm` is its `gamma`. Take the fields that a family does not need from
/// [`PLAIN`](Self::PLAIN).
#[derive(Clone, Copy, Debug)]
pub struct FolderFormat {
    /// Values of `model_type` in `config.json` that the family supports.
    pub model_types: &'static [&'static str],
    /// Prefix of every tensor name, except the output head's: `"model."`, or nothing.
    pub prefix: &'static str,
    /// Names of the token embeddings' tensor, without the prefix. The first one is its name in the model;
    /// files may store the same values under the others too.
    pub embeddings: &'static [&'static str],
    /// Name of the output head's tensor.
    pub head: &'static str,
    /// Whether the output head is tied to the embeddings if `config.json` lacks `tie_word_embeddings`.
    pub ties_by_default: bool,
    /// Whether weight files may contain an untied output head although this `config.json` ties it. If not,
    /// such a head causes a warning.
    pub may_untie: fn(config: &Value) -> bool,
    /// Called before the value of `tie_word_embeddings` is replaced, to keep what that value decides besides
    /// the head: writes the key that states it. The second argument is the old value.
    pub before_retying: fn(config: &mut Value, tied: bool),
    /// Whether a tensor is one that other tools store and ignore, so that it causes no warning.
    pub is_leftover: fn(tensor: &str) -> bool,
    /// Warnings about keys of `config.json` that transformers ignores although their names suggest an effect.
    pub ignored_keys: fn(config: &Value) -> Vec<String>,
    /// Id of the token that ends a text if no file names one: the default of the model's class in
    /// transformers.
    pub default_end_token: Option<u32>,
    /// How a prompt and an answer become the tokens of an example.
    pub framing: Framing,
    /// Published shapes of the family.
    pub sizes: fn() -> &'static [Size],
    /// What a pass over the model of a `config.json` stores; `None` if the family does not count it, or if
    /// the configuration does not describe a model.
    pub pass_numbers: fn(config: &Value) -> Option<PassNumbers>,
}

impl FolderFormat {
    /// Defaults of a decoder-only family: no prefix, no warnings, and no `model_type` yet.
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
        pass_numbers: |_| None,
    };

    /// The first format of a list that supports the parsed `config.json` at `path`.
    ///
    /// # Errors
    ///
    /// [`LmError::Unsupported`] if there is none; it lists the supported values of `model_type`.
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

    /// Whether the family supports a `config.json`, judged by its `model_type`.
    pub fn reads(&self, config: &Value) -> bool {
        let found = config["model_type"].as_str();
        found.is_some_and(|found| self.model_types.contains(&found))
    }

    /// Whether `config.json` ties the output head to the embeddings.
    pub(crate) fn ties(&self, config: &Value) -> bool {
        config[TIED].as_bool().unwrap_or(self.ties_by_default)
    }

    /// Makes `config.json` state whether the head is tied. A `config.json` that does so already stays
    /// unchanged.
    pub(crate) fn retie(&self, config: &mut Value, tied: bool) {
        let was_tied = self.ties(config);
        if was_tied != tied {
            (self.before_retying)(config, was_tied);
            config[TIED] = Value::from(tied);
        }
    }
}

/// Number of formats in all lists together.
pub const fn count(lists: &[&[&FolderFormat]]) -> usize {
    let (mut sum, mut list) = (0, 0);
    while list < lists.len() {
        sum += lists[list].len();
        list += 1;
    }
    sum
}

/// The formats of all lists, one list after the other; there are `N` of them.
pub const fn joined<const N: usize>(
    lists: &[&[&'static FolderFormat]],
) -> [&'static FolderFormat; N] {
    let mut all = [&FolderFormat::PLAIN; N];
    let (mut place, mut list) = (0, 0);
    while list < lists.len() {
        let mut index = 0;
        while index < lists[list].len() {
            all[place] = lists[list][index];
            place += 1;
            index += 1;
        }
        list += 1;
    }
    all
}
