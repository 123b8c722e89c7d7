//! What a result is known by: the settings that can change a number, the model, the tokenizer and the
//! rows.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use toml::Table;

use crate::hash::{canonical, sha256, shortened};

/// What a run reads beside its settings, by SHA-256 in hexadecimal digits.
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
    /// Rows of all tasks in their order, how they are scored, and the general probe.
    pub rows: String,
    /// The same of each task by itself.
    #[serde(default)]
    pub tasks: BTreeMap<String, String>,
    /// The general probe; empty where there is none.
    #[serde(default)]
    pub general: String,
    /// The text file that stands for what the base model knows; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub calibration: String,
}

impl Contents {
    /// Its parts by name, for a person.
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

/// What a result is known by. Results with the same key are the same run with other seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Hash of everything below but [`across_orders`](Self::across_orders).
    pub key: String,
    /// Hash of settings, model, tokenizer and probe, whatever the order of the tasks: see
    /// [`is_same_across_orders`](Self::is_same_across_orders).
    pub across_orders: String,
    /// What was read.
    pub contents: Contents,
    /// The settings that can change a number.
    pub settings: Table,
}

impl Identity {
    /// The identity of one method of a run.
    ///
    /// `settings` are those that can change a number, in the order of tasks that is run; `every_order` the same
    /// for whatever order.
    ///
    /// # Errors
    ///
    /// If the settings cannot be written down.
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

    /// Whether two results differ in the order of the tasks alone: the tasks that both have are the same.
    pub fn is_same_across_orders(&self, other: &Self) -> bool {
        let (own, others) = (&self.contents.tasks, &other.contents.tasks);
        let mut common = own
            .iter()
            .filter_map(|(name, rows)| Some((rows, others.get(name)?)));
        self.across_orders == other.across_orders && common.all(|(own, other)| own == other)
    }

    /// The beginning of the key: enough to tell the runs of a folder apart.
    pub fn short(&self) -> &str {
        shortened(&self.key)
    }
}

fn hash(settings: &Table, contents: &Contents) -> Result<String> {
    // The first words say which form of the settings is hashed.
    let mut text = String::from("osft result 1\n");
    text.push_str(&canonical(&serde_json::to_value(settings)?));
    text.push_str(&canonical(&serde_json::to_value(contents)?));
    Ok(sha256(text.as_bytes()))
}
