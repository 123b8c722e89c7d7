//! What was typed over the defaults.

use std::path::Path;

use anyhow::Result;
use toml::{Table, Value};

use super::benchmark::preset;
use super::moved::translated;
use super::table::{merge, pair_as_table, read_toml, value_at};
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

    /// Whether any of them sets this setting of the outermost level.
    ///
    /// # Errors
    ///
    /// If a preset, a file or a pair cannot be read.
    pub fn sets(&self, registries: &Registries, benchmark: &str, key: &str) -> Result<bool> {
        Ok(self.chosen(registries, benchmark)?.contains_key(key))
    }

    /// The flags over these settings. What chooses an epoch needs a validation loss: of every epoch, unless the
    /// settings measure it more rarely.
    pub(super) fn flags_over(&self, registries: &Registries, settings: &Table) -> Table {
        let mut flags = translated(registries, self.flags.clone());
        let measured = value_at(settings, "train.validation.every_epochs");
        let is_measured = measured.and_then(Value::as_integer).unwrap_or(0) > 0;
        let train = flags.get_mut("train").and_then(Value::as_table_mut);
        let train = train.and_then(|train| train.get_mut("validation"));
        if let (Some(Value::Table(chosen)), false) = (train, is_measured) {
            let patience = chosen.get("patience").and_then(Value::as_integer);
            if patience.unwrap_or(0) > 0 || chosen.contains_key("keep_best") {
                chosen
                    .entry("every_epochs")
                    .or_insert_with(|| Value::from(1));
            }
        }
        flags
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::settings::RunConfig;

    #[test]
    fn what_chooses_an_epoch_measures_every_one_unless_the_settings_say_another_number() {
        let every = |set: &[&str], flag: &str| {
            let set: Vec<String> = set.iter().map(ToString::to_string).collect();
            let overrides = Overrides {
                set: &set,
                flags: toml::from_str(&format!("train.validation.{flag}")).unwrap(),
                ..Overrides::default()
            };
            let config =
                RunConfig::resolve(&Registries::builtin(), "trace", false, &overrides).unwrap();
            config.train.validation.every_epochs
        };
        for flag in ["patience = 3", "keep_best = true"] {
            assert_eq!(every(&[], flag), 1, "{flag}");
            let set = ["train.validation.every_epochs=5"];
            assert_eq!(every(&set, flag), 5, "{flag}");
        }
        assert_eq!(every(&[], "every_epochs = 2"), 2);
        assert_eq!(every(&[], "patience = 0"), 0);
    }
    #[test]
    fn what_is_typed_wins_over_what_a_preset_says_for_one_order() {
        let resolved = |set: &[&str]| {
            let set: Vec<String> = set.iter().map(ToString::to_string).collect();
            let overrides = Overrides {
                preset: Some("o-lora"),
                set: &set,
                ..Overrides::default()
            };
            let config =
                RunConfig::resolve(&Registries::builtin(), "t5", false, &overrides).unwrap();
            let settings = config.with_order("6").unwrap().methods["o-lora"].clone();
            let length = |key: &str| settings[key].as_array().map(Vec::len);
            [length("orthogonality"), length("size")]
        };
        let typed = "methods.o-lora.orthogonality=0.25";
        let of_order = "by_order.6.methods.o-lora.orthogonality=[1.0, 2.0]";
        assert_eq!(resolved(&[]), [Some(15), Some(15)]);
        assert_eq!(resolved(&[typed]), [None, Some(15)]);
        assert_eq!(resolved(&[of_order]), [Some(2), Some(15)]);
        assert_eq!(resolved(&[typed, of_order]), [Some(2), Some(15)]);
        assert_eq!(resolved(&[of_order, typed]), [None, Some(15)]);
    }
    #[test]
    fn what_is_typed_for_one_order_or_task_stays_beside_what_holds_for_all() {
        let resolved = |preset: Option<&'static str>, set: &[&str], flags: &str| {
            let set: Vec<String> = set.iter().map(ToString::to_string).collect();
            let overrides = Overrides {
                preset,
                set: &set,
                flags: toml::from_str(flags).unwrap(),
                ..Overrides::default()
            };
            let benchmark = if preset.is_some() { "t5" } else { "trace" };
            RunConfig::resolve(&Registries::builtin(), benchmark, false, &overrides)
        };
        let own = ["by_order.2.learning_rates.osft=3e-3"];
        let config = resolved(None, &own, "learning_rates.osft = 1e-3").unwrap();
        let rate = |order: &str| config.with_order(order).unwrap().learning_rate("osft");
        assert_eq!([rate("1"), rate("2")], [1e-3, 3e-3]);
        // The preset trains every task for one epoch.
        let epochs = |set: &[&str]| {
            let config = resolved(Some("paper"), set, "").unwrap();
            ["MNLI", "CB"].map(|task| config.epochs_of(task, 5))
        };
        assert_eq!(epochs(&[]), [1, 1]);
        assert_eq!(epochs(&["task_epochs.MNLI=2"]), [2, 1]);
        assert_eq!(epochs(&["task_epochs.MNLI=2", "epochs=3"]), [3, 3]);
        assert_eq!(epochs(&["epochs=3", "task_epochs.MNLI=2"]), [2, 3]);
        // All methods have rates of their own: this one has no effect, also where it is the default.
        let error = resolved(None, &["train.learning_rate=1e-3"], "").unwrap_err();
        assert!(
            error.to_string().contains("would have no effect"),
            "{error}"
        );
    }
}
