//! Arguments of the commands that run, or check, a sequence of tasks.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{ArgMatches, Args};
use runs::settings::{Overrides, RunConfig};
use runs::{Backend, Registries};
use toml::{Table, Value};

use super::registered::{method_flags, typed_flags};

/// Arguments of `validate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  experiments validate --model SmolLM2-135M --data TRACE-Benchmark
  experiments validate --preset paper t5 --order 6 --model t5-large
  experiments validate --print > my.toml")]
pub struct ValidateArgs {
    /// The command that would run it.
    #[arg(default_value = "trace")]
    pub benchmark: String,
    /// Settings of the run.
    #[command(flatten)]
    pub run: RunArgs,
    /// Print all settings as TOML and do nothing else.
    #[arg(long)]
    pub print: bool,
}

/// Arguments of the commands of the benchmarks.
#[derive(Debug, Args)]
pub struct SequenceArgs {
    /// Settings of the run.
    #[command(flatten)]
    pub run: RunArgs,
    /// Folder for the results; must be empty or not exist [default: runs/COMMAND-N].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Go on with the run in this folder, which was stopped; its settings are those it has.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "tune"])]
    pub resume: Option<PathBuf>,
    /// Instead of reporting on the test rows, find learning rates on the validation rows, as `experiments sweep`
    /// does: the same grid (`tune_grid`) for every method. What --out has is not run again.
    #[arg(long, conflicts_with_all = ["lr", "tui"])]
    pub tune: bool,
    /// Keep the trained models: a Hugging Face folder for every method and seed, in `models` of the run's
    /// folder.
    #[arg(long, conflicts_with = "tune")]
    pub save_model: bool,
    /// Score models between the base model and every trained one too, separated by commas: at these shares of the
    /// change, from 0 to 1 (the curve of WiSE-FT).
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "SHARE",
        conflicts_with = "tune"
    )]
    pub interpolate: Vec<f64>,
    /// Runs that go on at the same time, each on a thread; the results are the same [default: one more
    /// than there are cores, if the model is small, computed on the processor and fits as often; otherwise 1].
    #[arg(long, value_name = "COUNT", conflicts_with = "tui")]
    pub jobs: Option<NonZeroUsize>,
    /// Draw losses, scores, leak and progress on the terminal; q and then s stops the run once it is
    /// saved, and --resume goes on with it.
    #[arg(long)]
    pub tui: bool,
}

/// Settings that a run is made of.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// The base model: a Hugging Face folder, a GGUF file, or a name on the hub [default: the built-in one].
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Folder of a suite: TRACE, the CL benchmark, or one with a suite.json [default: the built-in
    /// one].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Where to compute [default: flex].
    #[arg(long, value_enum)]
    pub backend: Option<Backend>,
    /// Methods to compare, separated by commas [default: seqft,osft-paper,osft].
    #[arg(long, value_delimiter = ',')]
    pub method: Vec<String>,
    /// The optimizer of every method; the built-in learning rates were tuned for the default [default: adamw].
    #[arg(long, value_name = "NAME")]
    pub optimizer: Option<String>,
    /// Keep splits in this folder, and take them from there when weights, settings and calibration are
    /// the same.
    #[arg(long, value_name = "DIR")]
    pub split_cache: Option<PathBuf>,
    /// Text file that stands for what the base model knows, one text per line [default: text that
    /// the model generates itself].
    #[arg(long, value_name = "FILE")]
    pub calibration_text: Option<PathBuf>,
    /// Peak learning rate of every method [default: that of the settings, tuned for the built-in model; with --model or
    /// --data one published for models of 7 billion parameters, for osft three times it: small models need larger ones].
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    pub lr: Option<f64>,
    /// Order of the tasks: stored ones by number, or the names of one, separated by commas [default:
    /// trace 1, t5 1,2].
    #[arg(long)]
    pub order: Option<String>,
    /// Seeds, separated by commas; more than one gives mean ± standard deviation [default: 0].
    #[arg(long, value_delimiter = ',', value_parser = runs::settings::seed_parser())]
    pub seeds: Vec<u64>,
    /// Longest row in tokens; longer ones lose the beginning of their prompt and the token that ends their
    /// answer, or, read by an encoder-decoder, the end of either. What is lost is counted and said.
    #[arg(long, value_name = "TOKENS")]
    pub max_length: Option<usize>,
    /// Suites of general ability to measure before and after, separated by commas: mmlu, piqa, boolq, loss, gsm8k, bbh,
    /// tydiqa; auto for those that need no generated text; or files of your own, .txt or .jsonl. Prompts and number of rows:
    /// --set suites.protocol=… and --set suites.limit=….
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub general: Vec<String>,
    /// Folder of the suites' rows and examples [default: general].
    #[arg(long, value_name = "DIR", requires = "general")]
    pub general_data: Option<PathBuf>,
    /// Only the first training rows of each task.
    #[arg(long, value_name = "ROWS")]
    pub limit_train: Option<usize>,
    /// Only the first training rows of each label, in tasks of fixed labels.
    #[arg(long, value_name = "ROWS")]
    pub limit_per_class: Option<usize>,
    /// Only the first test (or validation) rows of each task.
    #[arg(long, value_name = "ROWS")]
    pub limit_test: Option<usize>,
    /// How the answers to tasks with fixed labels are chosen: none generates all; beside also takes the likeliest label, in a
    /// second result matrix; instead takes the likeliest label only [default: none].
    #[arg(long, value_name = "HOW", value_parser = ["none", "beside", "instead"])]
    pub label_scores: Option<String>,
    /// Epochs of every task [default: the suite's].
    #[arg(long)]
    pub epochs: Option<usize>,
    /// Measure the loss on validation rows every so many epochs.
    #[arg(long, value_name = "EPOCHS")]
    pub validate_every: Option<usize>,
    /// End a task after so many validation losses that are not lower.
    #[arg(long, value_name = "TIMES")]
    pub patience: Option<usize>,
    /// End a task with the weights of the lowest validation loss.
    #[arg(long)]
    pub keep_best: bool,
    /// Published settings, over the defaults.
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// TOML file with settings; `experiments validate --print` shows all of them.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One setting, over the file, for instance `train.global_batch=8`; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl RunArgs {
    /// The settings these arguments stand for; `matches` hold the flags of methods.
    ///
    /// # Errors
    ///
    /// As [`RunConfig::resolve`].
    pub fn resolve(
        &self,
        registries: &Registries,
        benchmark: &str,
        matches: &ArgMatches,
    ) -> Result<RunConfig> {
        let overrides = self.overrides(registries, matches);
        let config = RunConfig::resolve(registries, benchmark, false, &overrides)?;
        ensure!(
            config.benchmark == benchmark,
            "these are settings of `experiments {}`, not of `experiments {benchmark}`",
            config.benchmark
        );
        self.check_effect(&config, registries, matches)?;
        Ok(config)
    }

    /// Checks that what was typed has an effect on these settings.
    ///
    /// # Errors
    ///
    /// A flag that none of the methods reads.
    pub fn check_effect(
        &self,
        config: &RunConfig,
        registries: &Registries,
        matches: &ArgMatches,
    ) -> Result<()> {
        for (method, flag) in typed_flags(registries, matches) {
            ensure!(
                config.compare.contains(&method),
                "--{flag} is a setting of {method}, which is not among the methods that are compared ({}): \
                 add it to --method, or set methods.NAME.KEY of another one with --set",
                config.compare.join(", ")
            );
        }
        ensure!(
            self.calibration_text.is_none() || config.reads_calibration(),
            "--calibration-text: none of {} reads it",
            config.compare.join(", ")
        );
        Ok(())
    }

    /// What was typed, over whatever settings.
    pub fn overrides(&self, registries: &Registries, matches: &ArgMatches) -> Overrides<'_> {
        Overrides {
            preset: self.preset.as_deref(),
            file: self.config.as_deref(),
            set: &self.set,
            flags: self.flags(registries, matches),
            ..Overrides::default()
        }
    }

    /// What was typed as flags, under the names of the settings.
    fn flags(&self, registries: &Registries, matches: &ArgMatches) -> Table {
        let mut flags = Table::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                flags.insert(key.to_string(), value);
            }
        };
        let list = |values: Vec<Value>| (!values.is_empty()).then_some(Value::Array(values));
        let path = |path: &Option<PathBuf>| {
            path.as_ref()
                .map(|path| Value::from(path.to_string_lossy().into_owned()))
        };
        let count = |count: Option<usize>| count.map(|n| Value::from(n as i64));
        put("model", path(&self.model));
        put("data", path(&self.data));
        put("split_cache", path(&self.split_cache));
        put(
            "backend",
            self.backend.map(|backend| Value::from(backend.name())),
        );
        let names = self.method.iter().map(|name| Value::from(name.as_str()));
        put("compare", list(names.collect()));
        put("order", self.order.clone().map(Value::from));
        put(
            "seeds",
            list(self.seeds.iter().map(|&s| Value::from(s as i64)).collect()),
        );
        put("max_length", count(self.max_length));
        put("limit_train", count(self.limit_train));
        put("limit_per_class", count(self.limit_per_class));
        put("limit_test", count(self.limit_test));
        put("label_scores", self.label_scores.clone().map(Value::from));
        put("epochs", count(self.epochs));
        let methods = method_flags(registries, matches);
        put(
            "methods",
            (!methods.is_empty()).then_some(Value::Table(methods)),
        );
        if let Some(text) = path(&self.calibration_text) {
            let calibration = Table::from_iter([("text".to_string(), text)]);
            put("calibration", Some(Value::Table(calibration)));
        }
        let mut suites = Table::new();
        if !self.general.is_empty() {
            suites.insert("names".to_string(), Value::from(self.general.clone()));
        }
        if let Some(folder) = path(&self.general_data) {
            suites.insert("folder".to_string(), folder);
        }
        put(
            "suites",
            (!suites.is_empty()).then_some(Value::Table(suites)),
        );
        let mut validation = Table::new();
        if let Some(every) = count(self.validate_every) {
            validation.insert("every_epochs".to_string(), every);
        }
        if let Some(patience) = count(self.patience) {
            validation.insert("patience".to_string(), patience);
        }
        if self.keep_best {
            validation.insert("keep_best".to_string(), Value::from(true));
        }
        let mut train = Table::new();
        if !validation.is_empty() {
            train.insert("validation".to_string(), Value::Table(validation));
        }
        if let Some(optimizer) = &self.optimizer {
            train.insert("optimizer".to_string(), Value::from(optimizer.as_str()));
        }
        put("train", (!train.is_empty()).then_some(Value::Table(train)));
        if let Some(rate) = self.lr {
            let all = registries.methods.names().into_iter();
            let rates = all.map(|name| (name.to_string(), Value::from(rate)));
            put("learning_rates", Some(Value::Table(rates.collect())));
        }
        flags
    }
}
