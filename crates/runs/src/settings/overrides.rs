//! What was typed over the defaults.

use std::path::Path;

use anyhow::Result;
use toml::Table;

use super::table::{pair_as_table, read_toml};

/// Values that override the defaults.
#[derive(Debug, Default)]
pub struct Overrides<'a> {
    /// Name of a preset.
    pub preset: Option<&'a str>,
    /// A TOML file.
    pub file: Option<&'a Path>,
    /// `key=value` pairs with dotted keys.
    pub set: &'a [String],
    /// Flags, as a table of settings.
    pub flags: Table,
}

impl Overrides<'_> {
    /// Whether a file or a pair sets a model or data; the defaults depend on it.
    pub(super) fn give_model_or_data(&self) -> Result<bool> {
        let names = |table: &Table| table.contains_key("model") || table.contains_key("data");
        let file: Option<Table> = self.file.map(read_toml).transpose()?;
        let mut given = names(&self.flags) || file.is_some_and(|file| names(&file));
        for pair in self.set {
            given |= names(&pair_as_table(pair)?);
        }
        Ok(given)
    }
}
