//! Published settings by name.

use anyhow::{Context, Result};
use clap::ValueEnum;
use toml::Table;

/// Published settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// TRACE as its paper describes full fine-tuning.
    TracePaper,
    /// TRACE as its repository's scripts run it.
    TraceScripts,
}

impl Preset {
    /// The settings, as a file of them.
    fn text(self) -> &'static str {
        match self {
            Self::TracePaper => include_str!("../../configs/trace-paper.toml"),
            Self::TraceScripts => include_str!("../../configs/trace-scripts.toml"),
        }
    }

    /// The settings that differ from the defaults.
    ///
    /// # Errors
    ///
    /// If they cannot be read, which a test excludes.
    pub fn table(self) -> Result<Table> {
        toml::from_str(self.text()).context("settings of a preset")
    }
}
