//! What a file and pairs of settings say.

use std::path::Path;

use anyhow::{Context, Result};
use runs::settings::{pair_as_table, read_toml, value_at};
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

    /// Whether the file was written by a run that was validated on a file of its own: rows of another task.
    pub fn validates_by_file(&self) -> bool {
        let valid = self.file.get("rows").and_then(|rows| rows.get("valid"));
        let valid = valid.and_then(Value::as_str).unwrap_or("none");
        self.is_of_run() && valid != "none" && valid.parse::<f64>().is_err()
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

    /// Keeps what a run that is resumed has of its own, where the file has something else: of another run, or a length that
    /// was lowered to what the model can read. Returns the method of the run.
    ///
    /// # Errors
    ///
    /// If the settings of the run cannot be read.
    pub fn keep_of_run(&self, running: &Path, flags: &mut Table) -> Result<String> {
        let kept: Table = read_toml(&running.join("config.toml"))?;
        let method = kept.get("compare").and_then(|names| names.get(0));
        let method = method.and_then(Value::as_str);
        let method = method.with_context(|| {
            format!("{} names no method", running.join("config.toml").display())
        })?;
        if has(&self.file, "max_length")
            && !self.pairs_set("max_length")
            && let Some(length) = kept.get("max_length")
        {
            flags.entry("max_length").or_insert(length.clone());
        }
        if !self.is_of_run() {
            return Ok(method.to_string());
        }
        let rows = table_in(flags, "rows");
        for key in ["task", "today", "valid"] {
            let is_other = key != "valid" || self.validates_by_file();
            if let Some(value) = kept.get("rows").and_then(|rows| rows.get(key))
                && !self.pairs_set(&format!("rows.{key}"))
                && is_other
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
        Ok(method.to_string())
    }
}

/// Whether a table has a setting, or a part of it.
fn has(table: &Table, key: &str) -> bool {
    value_at(table, key).is_some()
}
