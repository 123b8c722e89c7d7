//! The settings of a run: defaults, a TOML file, `--set`, flags, in that order.

mod benchmark;
mod identity;
mod key;
mod moved;
mod parts;
mod table;
mod tuned;
mod validate;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Context, Result, anyhow, ensure};
use continual::ContinualError;
use continual::method::{CalibrationUse, RegisteredKind};
use continual::trainer::TrainConfig;
use lm::Model;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

pub use moved::translated;
pub use parts::{CalibrationConfig, CheckpointConfig, DecodingConfig, FlawsName, ScoringName};
use table::set;
pub use table::{differences, merge, read_toml};

use crate::backend::Backend;
use crate::registries::Registries;

/// All settings of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Which benchmark's defaults, built-in suite and built-in model, by the name of its command.
    #[serde(default = "first_benchmark")]
    pub benchmark: String,
    /// Hugging Face folder of the base model; the built-in one if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<PathBuf>,
    /// Folder of a suite; the built-in one if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// Folder where splits are kept and found again, by what they were made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_cache: Option<PathBuf>,
    /// Where to compute.
    pub backend: Backend,
    /// Methods to compare, by their names.
    pub compare: Vec<String>,
    /// Stored orders by number, or the names of the tasks of one, separated by commas.
    pub order: String,
    /// One run per method and seed.
    pub seeds: Vec<u64>,
    /// Longest row in tokens, prompt and answer; longer ones lose their beginning.
    pub max_length: usize,
    /// First training rows per task; 0 takes all.
    pub limit_train: usize,
    /// First training rows of every label, in tasks of fixed labels; 0 takes all.
    #[serde(default)]
    pub limit_per_class: usize,
    /// First test rows per task; 0 takes all.
    pub limit_test: usize,
    /// Epochs of every task; 0 takes the suite's own numbers.
    pub epochs: usize,
    /// Epochs of single tasks by name, in place of the suite's own numbers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub task_epochs: BTreeMap<String, usize>,
    /// Settings that differ for one order, by its number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_order: BTreeMap<String, Table>,
    /// What is done about flaws of the data.
    pub flaws: FlawsName,
    /// Which scores are measured.
    pub scoring: ScoringName,
    /// Questions answered at a time.
    pub evaluation_batch: usize,
    /// How answers are generated.
    pub decoding: DecodingConfig,
    /// The training loop; its `learning_rate` is replaced by the method's own.
    pub train: TrainConfig,
    /// Peak learning rate by method.
    pub learning_rates: BTreeMap<String, f64>,
    /// What the learning rate of a method was tuned for, as `--tune` prints it: tables mark a rate as tuned
    /// where these are its settings still.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tuned: BTreeMap<String, String>,
    /// Learning rates `--tune` tries for every method.
    pub tune_grid: Vec<f64>,
    /// What the data to be kept is measured on.
    pub calibration: CalibrationConfig,
    /// When the run is saved on the way.
    pub checkpoints: CheckpointConfig,
    /// Settings of every method, by its name.
    #[serde(default)]
    pub methods: BTreeMap<String, Table>,
    /// The methods and benchmarks there are.
    #[serde(skip)]
    pub registries: Registries,
}

/// That of settings which were recorded when there was one.
fn first_benchmark() -> String {
    "trace".to_string()
}

/// What may be given beside the defaults.
#[derive(Debug, Default)]
pub struct Overrides<'a> {
    /// Published settings, by their name.
    pub preset: Option<&'a str>,
    /// A TOML file.
    pub file: Option<&'a Path>,
    /// `key=value` pairs, keys dotted.
    pub set: &'a [String],
    /// Flags, already as a table.
    pub flags: Table,
}

impl Overrides<'_> {
    /// Whether a file or a pair names a model or data: the defaults follow them.
    fn give_model_or_data(&self) -> Result<bool> {
        let names = |table: &Table| table.contains_key("model") || table.contains_key("data");
        let file: Option<Table> = self.file.map(read_toml).transpose()?;
        let mut given = names(&self.flags) || file.is_some_and(|file| names(&file));
        for pair in self.set {
            given |= names(&set(pair)?);
        }
        Ok(given)
    }
}

impl RunConfig {
    /// Defaults of a benchmark for its built-in suite and model, or for `given` ones, with overrides on
    /// top.
    ///
    /// # Errors
    ///
    /// An unknown key, a value of the wrong type or out of range, each by its name.
    pub fn resolve(
        registries: &Registries,
        benchmark: &str,
        given: bool,
        overrides: &Overrides<'_>,
    ) -> Result<Self> {
        let given = given || overrides.give_model_or_data()?;
        let mut table = Table::new();
        for layer in benchmark::layers(registries, benchmark, given)? {
            let layer = toml::from_str(layer).context("default settings")?;
            merge(&mut table, layer);
        }
        table.insert("benchmark".to_string(), Value::from(benchmark));
        Self::resolve_over(registries, table, overrides)
    }

    /// Settings in full, with overrides on top.
    ///
    /// # Errors
    ///
    /// As [`resolve`](Self::resolve).
    pub fn resolve_over(
        registries: &Registries,
        mut table: Table,
        overrides: &Overrides<'_>,
    ) -> Result<Self> {
        table = translated(registries, table);
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
            // Checked apart, so that an error names the file it is in.
            let mut alone = table.clone();
            merge(&mut alone, file.clone());
            parse(registries, alone).with_context(|| format!("in {}", path.display()))?;
            merge(&mut table, file);
        }
        for pair in overrides.set {
            merge(&mut table, translated(registries, set(pair)?));
        }
        let flags = translated(registries, overrides.flags.clone());
        merge(&mut table, flags);
        let config = parse(registries, table)?;
        config.validate()?;
        ensure!(
            config.train.learning_rate == fallback || !config.has_own_rates(),
            "train.learning_rate = {} would have no effect, since every method has a learning rate of its own: \
             use --lr, or set learning_rates.METHOD",
            config.train.learning_rate
        );
        Ok(config)
    }

    /// The orders that are run, each as it is typed alone.
    pub fn orders(&self) -> Vec<String> {
        let numbers = self
            .order
            .split(',')
            .map(|part| part.trim().parse::<usize>());
        match numbers.collect::<Result<Vec<_>, _>>() {
            Ok(numbers) => numbers.iter().map(ToString::to_string).collect(),
            Err(_) => vec![self.order.clone()],
        }
    }

    /// These settings for one of their orders, with what is set for it alone.
    ///
    /// # Errors
    ///
    /// As [`resolve`](Self::resolve).
    pub fn with_order(&self, order: &str) -> Result<Self> {
        let alone = Self {
            order: order.to_string(),
            ..self.clone()
        };
        let Some(changes) = self.by_order.get(order) else {
            return Ok(alone);
        };
        let mut table = Table::try_from(&alone)?;
        merge(&mut table, changes.clone());
        let config =
            parse(&self.registries, table).with_context(|| format!("in by_order.{order}"))?;
        config.validate()?;
        Ok(config)
    }

    /// Epochs of a task whose suite gives it `own` epochs.
    pub fn epochs_of(&self, task: &str, own: usize) -> usize {
        match (self.epochs, self.task_epochs.get(task)) {
            (0, Some(&epochs)) => epochs,
            (0, None) => own,
            (epochs, _) => epochs,
        }
    }

    /// The training loop's settings for one method.
    pub fn train_config(&self, method: &str) -> TrainConfig {
        TrainConfig {
            learning_rate: self.learning_rate(method),
            ..self.train.clone()
        }
    }

    /// Peak learning rate of a method.
    pub fn learning_rate(&self, method: &str) -> f64 {
        let own = self.learning_rates.get(method).copied();
        own.unwrap_or(self.train.learning_rate)
    }

    /// A method as the registry knows it.
    ///
    /// # Errors
    ///
    /// If there is no method of that name.
    pub fn kind(&self, method: &str) -> Result<&dyn RegisteredKind<Model>> {
        Ok(self.registries.methods.get(method)?)
    }

    /// The settings of a method.
    pub fn method(&self, method: &str) -> &Table {
        static NONE: LazyLock<Table> = LazyLock::new(Table::new);
        self.methods.get(method).unwrap_or(&NONE)
    }

    /// A method's name in reports, with what tells its settings apart.
    ///
    /// # Errors
    ///
    /// If there is no method of that name.
    pub fn label(&self, method: &str) -> Result<String> {
        Ok(self.kind(method)?.label(self.method(method))?)
    }

    /// Whether a method runs the model over rows that stand for what is to be retained.
    pub fn calibration_use(&self, method: &str) -> CalibrationUse {
        let kind = self.registries.methods.get(method);
        let found = kind.and_then(|kind| kind.calibration(self.method(method)));
        // Settings that cannot be read are found when they are checked.
        found.unwrap_or(CalibrationUse::Never)
    }

    /// Whether every method that is compared has a learning rate of its own.
    fn has_own_rates(&self) -> bool {
        let mut methods = self.compare.iter();
        methods.all(|method| self.learning_rates.contains_key(method))
    }

    /// Whether any method reads what is calibrated on.
    pub fn reads_calibration(&self) -> bool {
        let mut methods = self.compare.iter();
        let reads = |method: &String| self.calibration_use(method) != CalibrationUse::Never;
        self.calibration.base_rows > 0 && methods.any(reads)
    }
}

/// The learning rate of methods that have none of their own.
fn learning_rate_in(table: &Table) -> f64 {
    let train = table.get("train").and_then(Value::as_table);
    let rate = train.and_then(|train| train.get("learning_rate"));
    rate.and_then(Value::as_float)
        .unwrap_or(TrainConfig::default().learning_rate)
}

/// The settings of a table, with those of every method in full.
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
            // It names the setting itself.
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
#[allow(clippy::unwrap_used)]
mod tests;
