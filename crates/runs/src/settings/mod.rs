//! The settings of a run: defaults, a TOML file, `--set` and flags; later ones override earlier
//! ones.

mod benchmark;
mod by_key;
mod calibration;
mod identity;
mod key;
mod moved;
mod orders;
mod overrides;
mod parts;
mod table;
mod tuned;
mod validate;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use anyhow::{Context, Result, anyhow, ensure};
use continual::method::{CalibrationUse, RegisteredKind};
use continual::trainer::TrainConfig;
use continual::{ContinualError, LabelScores};
use lm::Model;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

pub use calibration::{BaseSample, CalibrationConfig};
pub use moved::translated;
pub use overrides::Overrides;
pub use parts::{
    CheckpointConfig, DecodingConfig, FlawsName, GeneralRows, RowsConfig, ScoringName, SuitesConfig,
};
pub use table::{differences, merge, pair_as_table, read_toml, seed_parser, value_at};
use table::{give_way, merge_layer};

use crate::backend::Backend;
use crate::registries::Registries;

/// All settings of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Name of the benchmark's command; it determines defaults, built-in suite and built-in model.
    #[serde(default = "first_benchmark")]
    pub benchmark: String,
    /// Hugging Face folder of the base model; by default the built-in model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<PathBuf>,
    /// Folder of a suite; by default the built-in suite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// Folder of the split cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_cache: Option<PathBuf>,
    /// Compute backend.
    pub backend: Backend,
    /// Names of the methods to compare.
    pub compare: Vec<String>,
    /// Stored orders by number, or the task names of one order, separated by commas.
    pub order: String,
    /// Seeds; every method runs once per seed.
    pub seeds: Vec<u64>,
    /// Maximum length of a row in tokens, prompt and answer; longer rows lose their beginning.
    pub max_length: usize,
    /// Maximum number of training rows per task; the first rows are used, and 0 takes all.
    pub limit_train: usize,
    /// Maximum number of training rows per label, in tasks with fixed labels; the first rows are
    /// used, and 0 takes all.
    #[serde(default)]
    pub limit_per_class: usize,
    /// Maximum number of test rows per task; the first rows are used, and 0 takes all.
    pub limit_test: usize,
    /// Epochs of every task; 0 uses the suite's numbers. A layer that sets them sets those of single tasks aside that
    /// layers before it have.
    pub epochs: usize,
    /// Epochs of single tasks by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub task_epochs: BTreeMap<String, usize>,
    /// Settings of single orders, by the order's number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_order: BTreeMap<String, Table>,
    /// How flaws of the data are handled.
    pub flaws: FlawsName,
    /// Which scores are measured.
    pub scoring: ScoringName,
    /// Whether the likeliest labels are scored beside, or instead of, the answers that are generated.
    #[serde(default, skip_serializing_if = "LabelScores::is_none")]
    pub label_scores: LabelScores,
    /// Which questions of the suite's probe of general knowledge are asked.
    #[serde(default, skip_serializing_if = "GeneralRows::is_all")]
    pub general_rows: GeneralRows,
    /// Questions per batch.
    pub evaluation_batch: usize,
    /// How answers are generated.
    pub decoding: DecodingConfig,
    /// The training loop; the method's own learning rate overrides its `learning_rate`.
    pub train: TrainConfig,
    /// Peak learning rate by method.
    pub learning_rates: BTreeMap<String, f64>,
    /// What each learning rate was tuned for, by method, as `--tune` prints it. Tables mark a rate
    /// as tuned only if the settings are still the same.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tuned: BTreeMap<String, String>,
    /// Learning rates that `--tune` tries for every method.
    pub tune_grid: Vec<f64>,
    /// The rows that stand for what is to be retained.
    pub calibration: CalibrationConfig,
    /// When checkpoints are saved.
    pub checkpoints: CheckpointConfig,
    /// Settings of every method, by its name.
    #[serde(default)]
    pub methods: BTreeMap<String, Table>,
    /// The rows of `osft finetune`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowsConfig>,
    /// Suites of general ability that are measured before and after.
    #[serde(default, skip_serializing_if = "SuitesConfig::is_off")]
    pub suites: SuitesConfig,
    /// The available methods and benchmarks.
    #[serde(skip)]
    pub registries: Registries,
}

/// The benchmark of settings from the time when there was only one.
fn first_benchmark() -> String {
    "trace".to_string()
}

impl RunConfig {
    /// Resolves settings over a benchmark's defaults: those for its built-in suite and model, or
    /// those for `given` ones.
    ///
    /// # Errors
    ///
    /// An unknown key, a value of the wrong type or a value out of range; the message names the
    /// setting.
    pub fn resolve(
        registries: &Registries,
        benchmark: &str,
        given: bool,
        overrides: &Overrides<'_>,
    ) -> Result<Self> {
        let chosen = overrides.chosen(registries, benchmark)?;
        let given = given || chosen.contains_key("model") || chosen.contains_key("data");
        let mut table = Table::new();
        for layer in benchmark::layers(registries, benchmark, given)? {
            let layer = toml::from_str(layer).context("default settings")?;
            merge(&mut table, layer);
        }
        let bounded = benchmark::bounded(registries, benchmark, given, &chosen)?;
        merge(&mut table, bounded);
        table.insert("benchmark".to_string(), Value::from(benchmark));
        Self::resolve_over(registries, table, overrides)
    }

    /// Resolves overrides over complete settings.
    ///
    /// # Errors
    ///
    /// The errors of [`resolve`](Self::resolve).
    pub fn resolve_over(
        registries: &Registries,
        mut table: Table,
        overrides: &Overrides<'_>,
    ) -> Result<Self> {
        table = translated(registries, table);
        merge(&mut table, overrides.carried.clone());
        if let Some(preset) = overrides.preset {
            let benchmark = table.get("benchmark").and_then(Value::as_str);
            let benchmark = benchmark.map_or_else(first_benchmark, str::to_string);
            merge(
                &mut table,
                benchmark::preset(registries, &benchmark, preset)?,
            );
        }
        let fallback = learning_rate_in(&table);
        if let Some(path) = overrides.file {
            let file = translated(registries, read_toml(path)?);
            // Check the file alone, so that an error names it.
            let mut alone = table.clone();
            merge_layer(&mut alone, file.clone());
            parse(registries, alone).with_context(|| format!("in {}", path.display()))?;
            merge_layer(&mut table, file);
        }
        // What an order has of its own among the pairs was typed beside the flags, and stays.
        give_way(&mut table, &overrides.flags);
        let mut typed_rate = false;
        for pair in overrides.set {
            let pair = translated(registries, pair_as_table(pair)?);
            typed_rate |= value_at(&pair, COMMON_RATE).is_some();
            merge_layer(&mut table, pair);
        }
        let flags = overrides.flags_over(registries, &table);
        merge(&mut table, flags);
        let config = parse(registries, table)?;
        config.validate()?;
        // Typed as it was, it would have no effect either.
        config.check_rate(if typed_rate { f64::NAN } else { fallback })?;
        Ok(config)
    }

    /// Refuses a common learning rate, changed from `before`, that no method would take.
    fn check_rate(&self, before: f64) -> Result<()> {
        ensure!(
            self.train.learning_rate == before || !self.has_own_rates(),
            "train.learning_rate = {} would have no effect, since every method has a learning rate of its own: \
             use --lr, or set learning_rates.METHOD",
            self.train.learning_rate
        );
        Ok(())
    }

    /// Epochs of a task to which the suite gives `own` epochs.
    pub fn epochs_of(&self, task: &str, own: usize) -> usize {
        match (self.task_epochs.get(task), self.epochs) {
            (Some(&epochs), _) => epochs,
            (None, 0) => own,
            (None, epochs) => epochs,
        }
    }

    /// The training settings of one method.
    pub fn train_config(&self, method: &str) -> TrainConfig {
        TrainConfig {
            learning_rate: self.learning_rate(method),
            ..self.train.clone()
        }
    }

    /// The peak learning rate of a method.
    pub fn learning_rate(&self, method: &str) -> f64 {
        let configured = self.learning_rates.get(method).copied();
        configured.unwrap_or(self.train.learning_rate)
    }

    /// The registry's entry for a method.
    ///
    /// # Errors
    ///
    /// If no method has this name.
    pub fn kind(&self, method: &str) -> Result<&dyn RegisteredKind<Model>> {
        Ok(self.registries.methods.get(method)?)
    }

    /// The settings of a method; empty if there are none.
    pub fn method(&self, method: &str) -> &Table {
        static NONE: LazyLock<Table> = LazyLock::new(Table::new);
        self.methods.get(method).unwrap_or(&NONE)
    }

    /// A method's name in reports, with the settings that distinguish it.
    ///
    /// # Errors
    ///
    /// If no method has this name.
    pub fn label(&self, method: &str) -> Result<String> {
        Ok(self.kind(method)?.label(self.method(method))?)
    }

    /// Whether a method runs the model over rows that stand for what is to be retained.
    pub fn calibration_use(&self, method: &str) -> CalibrationUse {
        let kind = self.registries.methods.get(method);
        let calibration = kind.and_then(|kind| kind.calibration(self.method(method)));
        // Invalid settings are reported by their own check.
        calibration.unwrap_or(CalibrationUse::Never)
    }

    /// Whether every method that is compared has a learning rate of its own.
    fn has_own_rates(&self) -> bool {
        let mut methods = self.compare.iter();
        methods.all(|method| self.learning_rates.contains_key(method))
    }
}

/// The learning rate of methods that have none of their own, as a dotted key.
const COMMON_RATE: &str = "train.learning_rate";

/// Its value.
fn learning_rate_in(table: &Table) -> f64 {
    let train = table.get("train").and_then(Value::as_table);
    let rate = train.and_then(|train| train.get("learning_rate"));
    rate.and_then(Value::as_float)
        .unwrap_or(TrainConfig::default().learning_rate)
}

/// Parses settings, and completes the settings of every method.
fn parse(registries: &Registries, table: Table) -> Result<RunConfig> {
    let config: Result<RunConfig, _> = serde_path_to_error::deserialize(table);
    let mut config = config.map_err(|error: serde_path_to_error::Error<toml::de::Error>| {
        let path = error.path().to_string();
        let reason = error.into_inner().message().to_string();
        match path.as_str() {
            "." | "" => anyhow!("{reason}"),
            _ => anyhow!("{path}: {reason}"),
        }
    })?;
    config.registries = registries.clone();
    for name in config.methods.keys() {
        registries.methods.get(name).context("methods")?;
    }
    for kind in registries.methods.iter() {
        let settings = match kind.settings(config.method(kind.name())) {
            Ok(settings) => settings,
            // This error names the setting itself.
            Err(error @ ContinualError::MethodSetting { .. }) => return Err(error.into()),
            Err(error) => {
                let what = format!("settings of {}", kind.name());
                return Err(anyhow::Error::from(error).context(what));
            }
        };
        config.methods.insert(kind.name().to_string(), settings);
    }
    Ok(config)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod identity_tests;
#[cfg(test)]
mod other_values;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
