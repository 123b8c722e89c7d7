//! Which settings a result is known by: all that can change a number.

use anyhow::Result;
use toml::{Table, Value};

use super::{MethodName, RunConfig};

/// Settings that change no number, or that stand for something which is hashed by its content.
///
/// This is the one list of its kind: a setting that is not here tells results apart, also one that is
/// added later.
const NOT_IN_KEY: [(&str, &str); 14] = [
    ("benchmark", "names the command and its defaults"),
    ("model", "hashed by its files"),
    ("data", "hashed by its rows"),
    ("calibration.text", "hashed by its content"),
    (
        "calibration.save",
        "whether what was measured is kept changes nothing of it",
    ),
    ("order", "hashed by the tasks in their order"),
    ("by_order", "is applied before"),
    ("methods", "other methods change nothing of this one"),
    ("seeds", "seeds of one key are one row of a table"),
    ("learning_rates", "the method's own is train.learning_rate"),
    ("tuned", "marks rates in tables"),
    ("tune_grid", "a rate of it is train.learning_rate"),
    (
        "split_cache",
        "a split that is found is the split that is made",
    ),
    (
        "checkpoints",
        "a run in pieces has the numbers of one in one piece",
    ),
];

/// Tables that some methods alone read.
const READ_BY: [(&str, &[MethodName]); 5] = [
    ("osft", &[MethodName::Osft]),
    ("osft_paper", &[MethodName::OsftPaper]),
    ("calibration", &[MethodName::Osft, MethodName::OsftPaper]),
    ("lora", &[MethodName::Lora]),
    ("o_lora", &[MethodName::OLora]),
];

impl RunConfig {
    /// The settings that can change a number of one method, its name among them.
    ///
    /// # Errors
    ///
    /// If the settings cannot be written as TOML.
    pub fn key_settings(&self, method: MethodName) -> Result<Table> {
        let own = Self {
            train: self.train_config(method),
            ..self.clone()
        };
        let mut settings = Table::try_from(&own)?;
        settings.retain(|key, _| {
            let listed = NOT_IN_KEY.iter().any(|(name, _)| *name == key);
            let read = READ_BY.iter().find(|(name, _)| *name == key);
            !listed && read.is_none_or(|(_, methods)| methods.contains(&method))
        });
        for (name, _) in NOT_IN_KEY {
            if let Some((table, key)) = name.split_once('.')
                && let Some(Value::Table(table)) = settings.get_mut(table)
            {
                table.remove(key);
            }
        }
        let mut all = Table::new();
        all.insert("method".to_string(), Value::from(method.name()));
        all.extend(settings);
        Ok(all)
    }
}
