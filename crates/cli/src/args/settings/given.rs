//! What a file and pairs of settings say.

use std::path::Path;

use anyhow::Result;
use runs::settings::{pair_as_table, read_toml};
use toml::{Table, Value};

use super::flags::table_in;

/// The settings of `--config` and those of `--set`.
pub(super) struct Given {
    file: Table,
    pairs: Vec<Table>,
}

impl Given {
    /// Reads both.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or a pair is none.
    pub fn read(file: Option<&Path>, pairs: &[String]) -> Result<Self> {
        let file = match file {
            Some(path) => read_toml(path)?,
            None => Table::new(),
        };
        let pairs = pairs.iter().map(|pair| pair_as_table(pair));
        Ok(Self {
            file,
            pairs: pairs.collect::<Result<_>>()?,
        })
    }

    /// Whether the file or a pair sets a setting, or a part of it.
    pub fn sets(&self, key: &str) -> bool {
        has(&self.file, key) || self.pairs_set(key)
    }

    /// Whether a pair sets a setting, or a part of it.
    pub fn pairs_set(&self, key: &str) -> bool {
        self.pairs.iter().any(|table| has(table, key))
    }

    /// Whether the file was written by a run: it is complete, and names the task and the day of that run, which are not those
    /// of this one.
    pub fn is_of_run(&self) -> bool {
        self.file.contains_key("benchmark")
    }

    /// Whether the file or a pair sets the learning rate of a method. The settings that a run wrote have a rate of every
    /// method, and only that of its own was chosen for the model.
    pub fn sets_rate(&self, method: &str) -> bool {
        let key = format!("learning_rates.{method}");
        let chosen = match self.file.get("compare").and_then(Value::as_array) {
            Some(names) => names.iter().any(|name| name.as_str() == Some(method)),
            None => true,
        };
        (chosen && has(&self.file, &key)) || self.pairs_set(&key)
    }

    /// Keeps what a run that goes on has of its own, where the file of another run has something else.
    ///
    /// # Errors
    ///
    /// If the settings of the run cannot be read.
    pub fn keep_of_run(&self, running: &Path, flags: &mut Table) -> Result<()> {
        if !self.is_of_run() {
            return Ok(());
        }
        let kept: Table = read_toml(&running.join("config.toml"))?;
        let rows = table_in(flags, "rows");
        for key in ["task", "today"] {
            if let Some(value) = kept.get("rows").and_then(|rows| rows.get(key))
                && !self.pairs_set(&format!("rows.{key}"))
            {
                rows.entry(key).or_insert(value.clone());
            }
        }
        let rates = kept.get("learning_rates").and_then(Value::as_table);
        for (method, rate) in rates.into_iter().flatten() {
            if !self.sets_rate(method) {
                table_in(flags, "learning_rates").insert(method.clone(), rate.clone());
            }
        }
        Ok(())
    }
}

/// Whether a table has a setting, or a part of it.
fn has(table: &Table, key: &str) -> bool {
    let mut parts = key.split('.');
    let first = parts.next().and_then(|part| table.get(part));
    parts
        .fold(first, |value, part| value.and_then(|value| value.get(part)))
        .is_some()
}
