//! What was typed over the defaults.

use std::path::Path;

use anyhow::Result;
use toml::Table;

use super::benchmark::preset;
use super::moved::translated;
use super::table::{merge, pair_as_table, read_toml};
use crate::registries::Registries;

/// Values that override the defaults.
#[derive(Debug, Default)]
pub struct Overrides<'a> {
    /// What earlier learning decided: over the defaults, under everything that was typed.
    pub carried: Table,
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
    /// All of them in one table, without any defaults.
    pub(super) fn chosen(&self, registries: &Registries, benchmark: &str) -> Result<Table> {
        let mut chosen = self.carried.clone();
        if let Some(name) = self.preset {
            merge(&mut chosen, preset(registries, benchmark, name)?);
        }
        if let Some(path) = self.file {
            merge(&mut chosen, translated(registries, read_toml(path)?));
        }
        for pair in self.set {
            merge(&mut chosen, translated(registries, pair_as_table(pair)?));
        }
        merge(&mut chosen, translated(registries, self.flags.clone()));
        Ok(chosen)
    }
}
