//! What was typed for `osft finetune`, as a table of settings.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use toml::{Table, Value};

use crate::args::finetune::{LearningArgs, RowsArgs};
use crate::args::inspect::share_rule;

impl LearningArgs {
    /// What was typed, under the names of the settings.
    pub(super) fn flags(&self, rows: &RowsArgs) -> Result<Table> {
        let mut flags = Table::new();
        rows.put(&mut flags);
        let count = |count: usize| Value::from(count as i64);
        let path = |path: &PathBuf| Value::from(path.to_string_lossy().into_owned());
        let mut put = |table: Option<&str>, key: &str, value: Option<Value>| {
            if let Some(value) = value {
                let target = match table {
                    Some(table) => table_in(&mut flags, table),
                    None => &mut flags,
                };
                target.insert(key.to_string(), value);
            }
        };
        put(
            None,
            "compare",
            self.method
                .as_deref()
                .map(|name| Value::Array(vec![Value::from(name)])),
        );
        put(None, "epochs", self.epochs.map(count));
        put(
            None,
            "seeds",
            self.seed
                .map(|seed| Value::Array(vec![Value::from(seed as i64)])),
        );
        put(
            None,
            "backend",
            self.backend.map(|backend| Value::from(backend.name())),
        );
        put(
            Some("train"),
            "global_batch",
            self.effective_batch.map(count),
        );
        put(Some("train"), "max_tokens", self.max_tokens.map(count));
        put(
            Some("checkpoints"),
            "every_steps",
            self.save_every.map(count),
        );
        put(Some("checkpoints"), "keep", self.keep.map(count));
        put(
            Some("train"),
            "packing",
            self.no_packing.then_some(Value::from(false)),
        );
        put(
            Some("calibration"),
            "text",
            self.calibration_text.as_ref().map(path),
        );
        put(Some("rows"), "task", self.task.clone().map(Value::from));
        put(Some("rows"), "dtype", self.dtype.clone().map(Value::from));
        put(Some("rows"), "format", self.format.clone().map(Value::from));
        put(Some("rows"), "questions", self.questions.map(count));
        put(
            Some("rows"),
            "max_new_tokens",
            self.max_new_tokens.map(count),
        );
        put(
            Some("rows"),
            "answer_after",
            self.answer_after.clone().map(Value::from),
        );
        let names: Vec<Value> = self
            .general
            .iter()
            .map(|name| Value::from(name.as_str()))
            .collect();
        put(
            Some("suites"),
            "names",
            (!names.is_empty()).then_some(Value::Array(names)),
        );
        put(
            Some("suites"),
            "folder",
            self.general_data.as_ref().map(path),
        );
        let texts: Vec<Value> = self.text.iter().map(path).collect();
        put(
            Some("rows"),
            "texts",
            (!texts.is_empty()).then_some(Value::Array(texts)),
        );
        Ok(flags)
    }

    /// What was typed for the method, under the names of its settings.
    pub(super) fn put_of_method(&self, method: &str, flags: &mut Table) -> Result<()> {
        if let Some(rate) = self.lr {
            table_in(flags, "learning_rates").insert(method.to_string(), Value::from(rate));
        }
        let rule = share_rule(self.unfreeze_ratio, self.energy)?;
        if let Some(rule) = rule {
            ensure!(
                ["osft", "osft-paper", "osft-lwf"].contains(&method),
                "--unfreeze-ratio and --energy are settings of osft, osft-paper and osft-lwf, and not of {method}: if it \
                 protects directions, say how many by --set methods.{method}.protected_share={{RULE=NUMBER}}"
            );
            let own = table_in(table_in(flags, "methods"), method);
            let split = match method {
                "osft-lwf" => table_in(own, "osft"),
                _ => own,
            };
            split.insert("protected_share".to_string(), rule);
        }
        Ok(())
    }
}

/// A table in a table, which is made if it is not there.
pub(super) fn table_in<'a>(table: &'a mut Table, key: &str) -> &'a mut Table {
    let entry = table
        .entry(key)
        .or_insert_with(|| Value::Table(Table::new()));
    if !entry.is_table() {
        *entry = Value::Table(Table::new());
    }
    match entry {
        Value::Table(table) => table,
        _ => unreachable!("invariant: it was made a table"),
    }
}
