//! The settings of a run: defaults, a TOML file, `--set`, flags, in that order.

mod key;
mod names;
mod preset;
mod table;
mod tuned;
mod validate;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use continual::methods::LoraConfig;
use continual::trainer::TrainConfig;
use osft::OsftConfig;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

pub use names::{
    BenchmarkName, CalibrationConfig, CheckpointConfig, DecodingConfig, FlawsName, MethodName,
    ScoringName,
};
pub use preset::Preset;
pub use table::{differences, read_toml};
use table::{merge, set};

use crate::backend::Backend;

/// Settings for the built-in suite and model; its learning rates were found by `trace --tune`.
const BUILTIN: &str = include_str!("../../configs/builtin.toml");
/// Settings for a model and data of the user's.
const GIVEN: &str = include_str!("../../configs/given.toml");
/// Settings for the built-in suite and model of `t5`, over those above.
const T5: &str = include_str!("../../configs/t5.toml");
/// Settings for a T5 and data of the user's, over all of these.
const T5_GIVEN: &str = include_str!("../../configs/t5-given.toml");

/// All settings of a `trace` or `t5` run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Which benchmark's defaults, built-in suite and built-in model.
    #[serde(default)]
    pub benchmark: BenchmarkName,
    /// Hugging Face folder of the base model; the built-in one if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<PathBuf>,
    /// Folder of a suite in TRACE's layout; the built-in one if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// Folder where splits are kept and found again, by what they were made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_cache: Option<PathBuf>,
    /// Where to compute.
    pub backend: Backend,
    /// Methods to compare.
    pub methods: Vec<MethodName>,
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
    pub learning_rates: BTreeMap<MethodName, f64>,
    /// What the learning rate of a method was tuned for, as `--tune` prints it: tables mark a rate as tuned
    /// where these are its settings still.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tuned: BTreeMap<MethodName, String>,
    /// Learning rates `--tune` tries for every method.
    pub tune_grid: Vec<f64>,
    /// What the data to be kept is measured on.
    pub calibration: CalibrationConfig,
    /// When the run is saved on the way.
    pub checkpoints: CheckpointConfig,
    /// What `osft` splits and protects.
    pub osft: OsftConfig,
    /// What `osft-paper` splits and protects.
    pub osft_paper: OsftConfig,
    /// Adapters of `lora`.
    pub lora: LoraConfig,
    /// Adapters of `o-lora`.
    pub o_lora: LoraConfig,
}

/// What may be given beside the defaults.
#[derive(Debug, Default)]
pub struct Overrides<'a> {
    /// Published settings.
    pub preset: Option<Preset>,
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
        benchmark: BenchmarkName,
        given: bool,
        overrides: &Overrides<'_>,
    ) -> Result<Self> {
        let given = given || overrides.give_model_or_data()?;
        let layers: &[&str] = match (benchmark, given) {
            (BenchmarkName::Trace, false) => &[BUILTIN],
            (BenchmarkName::Trace, true) => &[BUILTIN, GIVEN],
            (BenchmarkName::T5, false) => &[BUILTIN, T5],
            (BenchmarkName::T5, true) => &[BUILTIN, T5, GIVEN, T5_GIVEN],
        };
        let mut table = Table::new();
        for layer in layers {
            merge(
                &mut table,
                toml::from_str(layer).context("default settings")?,
            );
        }
        Self::resolve_over(table, overrides)
    }

    /// Settings in full, with overrides on top.
    ///
    /// # Errors
    ///
    /// As [`resolve`](Self::resolve).
    pub fn resolve_over(mut table: Table, overrides: &Overrides<'_>) -> Result<Self> {
        if let Some(preset) = overrides.preset {
            let benchmark = table.get("benchmark").cloned();
            let benchmark = benchmark.map_or(Ok(BenchmarkName::default()), Value::try_into)?;
            merge(&mut table, preset.table(benchmark)?);
        }
        if let Some(path) = overrides.file {
            let file: Table = read_toml(path)?;
            // Checked apart, so that an error names the file it is in.
            let mut alone = table.clone();
            merge(&mut alone, file.clone());
            parse(alone).with_context(|| format!("in {}", path.display()))?;
            merge(&mut table, file);
        }
        for pair in overrides.set {
            merge(&mut table, set(pair)?);
        }
        merge(&mut table, overrides.flags.clone());
        let config = parse(table)?;
        config.validate()?;
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
        let config = parse(table).with_context(|| format!("in by_order.{order}"))?;
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
    pub fn train_config(&self, method: MethodName) -> TrainConfig {
        TrainConfig {
            learning_rate: self.learning_rate(method),
            ..self.train.clone()
        }
    }

    /// Peak learning rate of a method.
    pub fn learning_rate(&self, method: MethodName) -> f64 {
        let own = self.learning_rates.get(&method).copied();
        own.unwrap_or(self.train.learning_rate)
    }

    /// Whether anything reads what is calibrated on.
    pub fn reads_calibration(&self) -> bool {
        let mut methods = self.methods.iter();
        self.calibration.base_rows > 0 && methods.any(|&m| self.osft_config(m).is_some())
    }

    /// What a method splits and protects; `None` for one that does not.
    pub fn osft_config(&self, method: MethodName) -> Option<&OsftConfig> {
        match method {
            MethodName::Seqft
            | MethodName::Lora
            | MethodName::OLora
            | MethodName::PerTask
            | MethodName::MultiTask => None,
            MethodName::OsftPaper => Some(&self.osft_paper),
            MethodName::Osft => Some(&self.osft),
        }
    }
}

fn parse(table: Table) -> Result<RunConfig> {
    serde_path_to_error::deserialize(table).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.into_inner().message().to_string();
        match path.as_str() {
            "." | "" => anyhow!("{reason}"),
            _ => anyhow!("{path}: {reason}"),
        }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
