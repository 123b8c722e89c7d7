//! The identity of a result: the settings that can change a number, the model, the tokenizer and
//! the rows.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use toml::Table;

use crate::hash::{canonical, sha256, shortened};

/// The content that a run reads beside its settings, as SHA-256 in hexadecimal digits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// `config.json` of the model.
    pub model_config: String,
    /// The model's weights.
    pub model_weights: String,
    /// The tokenizer, and the tokens that end a text.
    pub tokenizer: String,
    /// Name of the suite.
    #[serde(default)]
    pub suite: String,
    /// Rows of all tasks in their order, their scores, and the general-knowledge probe.
    pub rows: String,
    /// Rows and score of each task.
    #[serde(default)]
    pub tasks: BTreeMap<String, String>,
    /// The general-knowledge probe; empty if there is none.
    #[serde(default)]
    pub general: String,
    /// The text file that stands for the base model's knowledge; empty if there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub calibration: String,
}

impl Contents {
    /// The parts with their names, for messages.
    pub fn parts(&self) -> [(&'static str, &str); 5] {
        [
            ("the model's config.json", &self.model_config),
            ("the model's weights", &self.model_weights),
            ("the tokenizer", &self.tokenizer),
            ("the rows", &self.rows),
            ("the calibration text", &self.calibration),
        ]
    }
}

/// The identity of a result. Results with the same key differ in the seed only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Hash of all other fields except [`across_orders`](Self::across_orders).
    pub key: String,
    /// Hash of settings, model, tokenizer and probe, independent of the order of the tasks: see
    /// [`is_same_across_orders`](Self::is_same_across_orders).
    pub across_orders: String,
    /// Hashes of the content that was read.
    pub contents: Contents,
    /// The settings that can change a number.
    pub settings: Table,
}

impl Identity {
    /// The identity of one method's results.
    ///
    /// `settings` are the settings that can change a number, with the order's own settings;
    /// `every_order` are the same settings without them.
    ///
    /// # Errors
    ///
    /// If the settings cannot be written as TOML.
    pub fn new(settings: Table, every_order: &Table, contents: Contents) -> Result<Self> {
        let unordered = Contents {
            rows: String::new(),
            tasks: BTreeMap::new(),
            ..contents.clone()
        };
        Ok(Self {
            key: hash(&settings, &contents)?,
            across_orders: hash(every_order, &unordered)?,
            contents,
            settings,
        })
    }

    /// Whether two results differ in the order of the tasks only; tasks that occur in both must be
    /// the same.
    pub fn is_same_across_orders(&self, other: &Self) -> bool {
        let (own, others) = (&self.contents.tasks, &other.contents.tasks);
        let mut common = own
            .iter()
            .filter_map(|(name, rows)| Some((rows, others.get(name)?)));
        self.across_orders == other.across_orders && common.all(|(own, other)| own == other)
    }

    /// The beginning of the key, enough to distinguish the runs of a folder.
    pub fn short(&self) -> &str {
        shortened(&self.key)
    }
}

fn hash(settings: &Table, contents: &Contents) -> Result<String> {
    // The first words are the version of the hashed form.
    let mut text = String::from("osft result 1\n");
    text.push_str(&canonical(&serde_json::to_value(settings)?));
    text.push_str(&canonical(&serde_json::to_value(contents)?));
    Ok(sha256(text.as_bytes()))
}
