//! One setting by its dotted key.

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use super::{RunConfig, parse, value_at};

impl RunConfig {
    /// The value of the setting `key`, such as `methods.NAME.KEY`; `None` if it is not set.
    ///
    /// # Errors
    ///
    /// If the settings cannot be written as TOML.
    pub fn setting(&self, key: &str) -> Result<Option<Value>> {
        Ok(value_at(&Table::try_from(self)?, key).cloned())
    }

    /// These settings with another value of the setting `key`; what stands beside it stays.
    ///
    /// # Errors
    ///
    /// If there is no such setting, or the value is of the wrong type or out of range.
    pub fn with_setting(&self, key: &str, value: Value) -> Result<Self> {
        let mut table = Table::try_from(self)?;
        let mut parts: Vec<&str> = key.split('.').collect();
        let last = parts.pop().unwrap_or_default();
        let mut inner = &mut table;
        for part in parts {
            let next = inner
                .entry(part)
                .or_insert_with(|| Value::Table(Table::new()));
            match next {
                Value::Table(next) => inner = next,
                other => bail!("{key}: {part} is {other}, not a table of settings"),
            }
        }
        inner.insert(last.to_string(), value);
        let config = parse(&self.registries, table).and_then(|config| {
            config.validate()?;
            Ok(config)
        });
        match key.split('.').collect::<Vec<_>>()[..] {
            ["methods", method, ..] => config.with_context(|| {
                format!(
                    "{key} beside the other settings of {method}; those that a bound brings by default are gone with \
                     methods.{method}.max_output_change=none"
                )
            }),
            _ => config,
        }
    }
}
