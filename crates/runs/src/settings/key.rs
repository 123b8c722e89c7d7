//! The settings that identify a result: all that can change a number.

use anyhow::Result;
use continual::method::CalibrationUse;
use osft::NO_BOUND;
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
const ADDED_LATER: [(&[&str], &str, &str); 3] = [
    (&["train"], "optimizer", "adamw"),
    (&["osft"], "max_output_change", NO_BOUND),
    (&["osft_lwf", "osft"], "max_output_change", NO_BOUND),
];

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
        let mut all = Table::new();
        all.insert("method".to_string(), Value::from(method));
        all.extend(settings);
        // The method's own settings stand under its own name, as in earlier results.
        let own_settings = self.method(method);
        if !own_settings.is_empty() {
            all.insert(method.replace('-', "_"), Value::Table(own_settings.clone()));
        }
        for (path, key, earlier) in ADDED_LATER {
            let mut table = Some(&mut all);
            for part in path {
                table = table.and_then(|table| table.get_mut(*part)?.as_table_mut());
            }
            if let Some(table) = table
                && table.get(key).and_then(Value::as_str) == Some(earlier)
            {
                table.remove(key);
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::registries::Registries;
    use crate::settings::Overrides;

    #[test]
    fn that_there_is_no_bound_is_written_and_leaves_keys_as_they_were() {
        let registries = Registries::builtin();
        let resolve = |benchmark: &str, pairs: &[&str]| {
            let pairs: Vec<String> = pairs.iter().map(ToString::to_string).collect();
            let overrides = Overrides {
                set: &pairs,
                ..Overrides::default()
            };
            RunConfig::resolve(&registries, benchmark, false, &overrides).unwrap()
        };
        for (method, key) in [
            ("osft", "methods.osft"),
            ("osft-lwf", "methods.osft-lwf.osft"),
        ] {
            let bound = format!("{key}.max_output_change");
            let none = resolve("trace", &[&format!("{bound}=none")]);
            // As long as it is written, the same settings over the defaults say the same.
            assert_eq!(
                none.setting(&bound).unwrap(),
                Some(Value::from("none")),
                "{method}"
            );
            let written = Table::try_from(&none).unwrap();
            let mut over = Table::try_from(resolve("trace", &[])).unwrap();
            crate::settings::merge(&mut over, written);
            let again = RunConfig::resolve_over(&registries, over, &Overrides::default()).unwrap();
            assert_eq!(again.method(method), none.method(method));
            let text = toml::to_string(&none.key_settings(method).unwrap()).unwrap();
            assert!(!text.contains("max_output_change"), "{text}");
            let default = resolve("trace", &[]).key_settings(method).unwrap();
            let text = toml::to_string(&default).unwrap();
            assert!(text.contains("max_output_change = 0.015"), "{text}");
            // T5 has none by default.
            assert_eq!(
                resolve("t5", &[]).setting(&bound).unwrap(),
                Some(Value::from("none"))
            );
        }
    }
}
