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
        let mut all = Table::new();
        all.insert("method".to_string(), Value::from(method));
        all.extend(settings);
        // The method's own settings stand under its own name, as in earlier results.
        let mut own_settings = self.method(method).clone();
        self.kind(method)?.remove_absent(&mut own_settings);
        if !own_settings.is_empty() {
            all.insert(method.replace('-', "_"), Value::Table(own_settings));
        }
        for (table, key, earlier) in ADDED_LATER {
            if let Some(Value::Table(table)) = all.get_mut(table)
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

    fn resolve(benchmark: &str, given: bool, pairs: &[&str]) -> RunConfig {
        let pairs: Vec<String> = pairs.iter().map(ToString::to_string).collect();
        let overrides = Overrides {
            set: &pairs,
            ..Overrides::default()
        };
        RunConfig::resolve(&Registries::builtin(), benchmark, given, &overrides).unwrap()
    }

    /// The text of a method's key settings.
    fn key_text(config: &RunConfig, method: &str) -> String {
        toml::to_string(&config.key_settings(method).unwrap()).unwrap()
    }

    const SPLIT_OF: [(&str, &str); 2] = [
        ("osft", "methods.osft"),
        ("osft-lwf", "methods.osft-lwf.osft"),
    ];

    #[test]
    fn written_settings_of_a_split_say_the_same_over_any_defaults() {
        for (method, split) in SPLIT_OF {
            let no_bound = format!("{split}.max_output_change=none");
            let skip_first = format!("{split}.moment.skip_first=2");
            let by_weights = format!("{split}.split=weights");
            let factored = format!("{split}.form=factored");
            let saved = [
                resolve("trace", false, &[]),
                resolve("trace", false, &[&no_bound]),
                resolve("trace", false, &[&skip_first]),
                resolve("trace", false, &[&by_weights]),
                resolve("trace", true, &[&by_weights]),
                resolve("trace", true, &[&factored, &by_weights]),
                resolve("trace", true, &[]),
                resolve("trace", true, &[&no_bound]),
                resolve("t5", true, &[]),
            ];
            for saved in saved {
                let written = Table::try_from(&saved).unwrap();
                for given in [false, true] {
                    let mut over = Table::try_from(resolve("trace", given, &[])).unwrap();
                    crate::settings::merge(&mut over, written.clone());
                    let registries = Registries::builtin();
                    let none = Overrides::default();
                    let again = RunConfig::resolve_over(&registries, over, &none).unwrap();
                    assert_eq!(again.method(method), saved.method(method));
                    // As typed settings they decide what of the defaults goes with them.
                    let typed = Overrides {
                        flags: written.clone(),
                        ..Overrides::default()
                    };
                    let again = RunConfig::resolve(&registries, "trace", given, &typed).unwrap();
                    assert_eq!(again.method(method), saved.method(method));
                }
            }
        }
    }

    #[test]
    fn values_of_absent_keys_leave_keys_as_they_were() {
        for (method, split) in SPLIT_OF {
            let no_bound = format!("{split}.max_output_change=none");
            for given in [false, true] {
                let text = key_text(&resolve("trace", given, &[&no_bound]), method);
                for added in ["max_output_change", "moment"] {
                    assert!(!text.contains(added), "{text}");
                }
            }
            let builtin = key_text(&resolve("trace", false, &[]), method);
            assert!(builtin.contains("max_output_change = 0.015"), "{builtin}");
            assert!(!builtin.contains("moment"), "{builtin}");
            let given = resolve("trace", true, &[]);
            assert_eq!(given.learning_rate(method), 3e-5);
            let given = key_text(&given, method);
            for set in ["skip_first = 1", "tokens = \"unit\""] {
                assert!(given.contains(set), "{given}");
            }
            assert!(!given.contains("shrinkage"), "{given}");
            // T5 has none of it by default.
            let t5 = key_text(&resolve("t5", true, &[]), method);
            assert!(!t5.contains("moment") && !t5.contains("max_output"), "{t5}");
        }
    }
}
