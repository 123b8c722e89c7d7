//! The settings that identify a result: all that can change a number.

use anyhow::Result;
use continual::method::CalibrationUse;
use toml::{Table, Value};

use super::RunConfig;

/// Settings that change no number, or whose content is hashed instead, with the reason.
///
/// Every setting that is missing here distinguishes results, including settings that are added
/// later.
const NOT_IN_KEY: [(&str, &str); 19] = [
    ("benchmark", "names the command and its defaults"),
    ("model", "hashed by its files"),
    ("data", "hashed by its rows"),
    ("suites", "measured beside the run"),
    ("calibration.text", "hashed by its content"),
    ("calibration.questions", "hashed by their content"),
    (
        "calibration.held_out",
        "whether the rows are checked changes nothing of what is measured on them",
    ),
    (
        "calibration.save",
        "whether what was measured is kept changes nothing of it",
    ),
    (
        "rows",
        "hashed as rows; the rest is measured beside the run",
    ),
    ("order", "hashed by the tasks in their order"),
    ("by_order", "is applied before"),
    ("compare", "other methods change nothing of this one"),
    ("methods", "the method's own stand under its name"),
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

/// Settings that were added later, with the value that preserves the earlier behaviour. The key
/// omits that value, so earlier results keep their keys.
const ADDED_LATER: [(&str, &str, &str); 1] = [("train", "optimizer", "adamw")];

impl RunConfig {
    /// All settings that can change a number of one method, including the method's name.
    ///
    /// # Errors
    ///
    /// If the settings cannot be written as TOML.
    pub fn key_settings(&self, method: &str) -> Result<Table> {
        let own_settings = Self {
            train: self.train_config(method),
            ..self.clone()
        };
        let mut settings = Table::try_from(&own_settings)?;
        settings.retain(|key, _| !NOT_IN_KEY.iter().any(|(name, _)| *name == key));
        match (
            self.calibration_use(method),
            settings.get_mut("calibration"),
        ) {
            (CalibrationUse::Never, _) => {
                settings.remove("calibration");
            }
            (CalibrationUse::OfTasks, Some(Value::Table(calibration))) => {
                calibration.retain(|key, _| key == "rows_per_task");
            }
            _ => {}
        }
        for (name, _) in NOT_IN_KEY {
            if let Some((table, key)) = name.split_once('.')
                && let Some(Value::Table(table)) = settings.get_mut(table)
            {
                table.remove(key);
            }
        }
        for (table, key, earlier) in ADDED_LATER {
            if let Some(Value::Table(table)) = settings.get_mut(table)
                && table.get(key).and_then(Value::as_str) == Some(earlier)
            {
                table.remove(key);
            }
        }
        let mut all = Table::new();
        all.insert("method".to_string(), Value::from(method));
        all.extend(settings);
        // The method's own settings stand under its own name, as in earlier results.
        let own_settings = self.method(method);
        if !own_settings.is_empty() {
            all.insert(method.replace('-', "_"), Value::Table(own_settings.clone()));
        }
        Ok(all)
    }
}
