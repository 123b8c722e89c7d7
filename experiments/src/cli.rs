//! What can be typed.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use toml::{Table, Value};

use crate::backend::Backend;
use crate::commands::study::Part;
use crate::config::{MethodName, Overrides, RunConfig};
use crate::variant::OsftArgs;

/// Continual learning of language models: learn tasks in sequence, measure what is forgotten.
///
/// `experiments trace` with no further argument teaches a small built-in model eight small tasks by
/// plain fine-tuning, by OSFT with the paper's split and by OSFT with a split that sees the layers'
/// inputs, and shows what each kept.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Learn the tasks of a suite in sequence and compare what each method keeps.
    Trace(TraceArgs),
    /// Pre-train a small base model on the built-in general mixture.
    Pretrain(PretrainArgs),
    /// Generate or verify the built-in suite.
    #[command(subcommand)]
    Datasets(DatasetsCommand),
    /// Show backends, methods, suites and orders.
    List,
    /// Check model, data and settings of a run without starting it.
    Validate(ValidateArgs),
    /// Show finished runs side by side.
    Report(ReportArgs),
    /// Show what a split would protect in a model: spectra, importance, shares, free directions.
    Inspect(InspectArgs),
    /// Compare many variants at many learning rates: what they keep against what they learn.
    #[command(subcommand)]
    Study(StudyCommand),
    /// Run the same small job on every backend and compare the results number by number.
    Portability(PortabilityArgs),
    /// Print a completion script for a shell.
    Completions(CompletionsArgs),
}

/// Arguments of `validate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  experiments validate --model SmolLM2-135M --data TRACE-Benchmark
  experiments validate --print > my.toml")]
pub struct ValidateArgs {
    /// Settings of the run.
    #[command(flatten)]
    pub run: RunArgs,
    /// Print all settings as TOML and do nothing else.
    #[arg(long)]
    pub print: bool,
}

/// Arguments of `report`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  experiments report runs/trace-1 runs/trace-2 --out joined")]
pub struct ReportArgs {
    /// Folders of finished runs over the same tasks.
    #[arg(value_name = "RUN", required = true)]
    pub runs: Vec<PathBuf>,
    /// Also write report.md and its pictures to this folder.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Arguments of `inspect`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  experiments inspect
  experiments inspect --model SmolLM2-135M --text notes.txt --energy 0.99
  experiments inspect --osft-split weights --share adaptive --out inspected")]
pub struct InspectArgs {
    /// Hugging Face folder of the model [default: the built-in one].
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Text file to run the model on, one text per line [default: text that it generates itself].
    #[arg(long, value_name = "FILE")]
    pub text: Option<PathBuf>,
    /// Texts to run it on; a fifth of them is kept for the truncation probe.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(5..))]
    pub rows: u32,
    /// Longest text in tokens.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(2..))]
    pub tokens: u32,
    /// The split to show.
    #[command(flatten)]
    pub osft: OsftArgs,
    /// Parameters that are split, as regular expressions over their paths; may be repeated
    /// [default: the projections of attention and feed-forward].
    #[arg(long, value_name = "PATTERN")]
    pub target: Vec<String>,
    /// Leave out the truncation probe, which decomposes the model ten times.
    #[arg(long)]
    pub no_probe: bool,
    /// Where to compute.
    #[arg(long, value_enum, default_value = "flex")]
    pub backend: Backend,
    /// Also write report.md and its pictures to this folder; must be empty or not exist.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// What to do with a study.
#[derive(Debug, Subcommand)]
pub enum StudyCommand {
    /// Run what a plan names and has not been run yet.
    Run(StudyRunArgs),
    /// Report on what was run so far.
    Report(StudyReportArgs),
}

/// Arguments of `study run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  experiments study run results/splits/choose.toml --out results/splits/choose
  experiments study run plan.toml --out study --part 1/2 & experiments study run plan.toml --out study --part 2/2")]
pub struct StudyRunArgs {
    /// TOML file: title, rows, seeds, learning_rates, [run] settings, [[variants]].
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Folder with one file per run; those that are there are not run again.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Only every N-th run, starting from number I: several processes share a plan.
    #[arg(long, value_name = "I/N")]
    pub part: Option<Part>,
    /// Answer the general-knowledge probe too.
    #[arg(long)]
    pub general: bool,
}

/// Arguments of `study report`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  experiments study report results/splits/choose.toml --out results/splits/choose")]
pub struct StudyReportArgs {
    /// The plan that was run.
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Folder of its runs; the report is written there.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// Arguments of `portability`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  experiments portability
  experiments portability --backends ndarray,flex,wgpu --strict --out portability")]
pub struct PortabilityArgs {
    /// Backends to compare, separated by commas; the first one that runs is the reference
    /// [default: all].
    #[arg(long, value_enum, value_delimiter = ',')]
    pub backends: Vec<Backend>,
    /// Fail if a backend is not there; it is listed as not run otherwise.
    #[arg(long)]
    pub strict: bool,
    /// Also write report.md and portability.json to this folder; must be empty or not exist.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  experiments completions bash > experiments.bash")]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// What to do with the built-in suite.
#[derive(Debug, Subcommand)]
pub enum DatasetsCommand {
    /// Write the suite of a seed, with the hashes of its files.
    Generate(GenerateArgs),
    /// Compare a suite's files with their recorded hashes.
    Verify(VerifyArgs),
}

/// Arguments of `datasets generate`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  experiments datasets generate --seed 1 --out my-suite")]
pub struct GenerateArgs {
    /// Folder to write to; must not exist.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Seed of all rows; 0 is the committed suite.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// Arguments of `datasets verify`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  experiments datasets verify datasets/builtin/suite")]
pub struct VerifyArgs {
    /// Folder with a SHA256SUMS.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// Arguments of `trace`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  experiments trace
  experiments trace --method osft --osft-split weights --share 0.8 --seeds 0,1,2
  experiments trace --method seqft,osft --energy 0.99
  experiments trace --model SmolLM2-135M --data TRACE-Benchmark --limit-train 100
  experiments trace --tune --method osft")]
pub struct TraceArgs {
    /// Settings of the run.
    #[command(flatten)]
    pub run: RunArgs,
    /// Folder for the results; must be empty or not exist [default: runs/trace-N].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Instead of reporting on the test rows, find learning rates on the validation rows: the
    /// same grid (`tune_grid`) for every method.
    #[arg(long)]
    pub tune: bool,
}

/// Settings that a run is made of.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Hugging Face folder of the base model [default: the built-in one].
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Folder of a suite in TRACE's layout [default: the built-in one].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Where to compute [default: flex].
    #[arg(long, value_enum)]
    pub backend: Option<Backend>,
    /// Methods to compare, separated by commas [default: seqft,osft-paper,osft].
    #[arg(long, value_enum, value_delimiter = ',')]
    pub method: Vec<MethodName>,
    /// What `osft` splits and protects.
    #[command(flatten)]
    pub osft: OsftArgs,
    /// Text file that stands for what the base model knows, one text per line [default: text that
    /// the model generates itself].
    #[arg(long, value_name = "FILE")]
    pub calibration_text: Option<PathBuf>,
    /// Peak learning rate of every method [default: the method's tuned one].
    #[arg(long, value_name = "RATE")]
    pub lr: Option<f64>,
    /// Order of the tasks: a stored one by number, or names separated by commas [default: 1].
    #[arg(long)]
    pub order: Option<String>,
    /// Seeds, separated by commas; more than one gives mean ± standard deviation [default: 0].
    #[arg(long, value_delimiter = ',')]
    pub seeds: Vec<u64>,
    /// Longest row in tokens; longer ones lose their beginning.
    #[arg(long, value_name = "TOKENS")]
    pub max_length: Option<usize>,
    /// Only the first training rows of each task.
    #[arg(long, value_name = "ROWS")]
    pub limit_train: Option<usize>,
    /// Only the first test (or validation) rows of each task.
    #[arg(long, value_name = "ROWS")]
    pub limit_test: Option<usize>,
    /// Epochs of every task [default: the suite's].
    #[arg(long)]
    pub epochs: Option<usize>,
    /// TOML file with settings; `experiments validate --print` shows all of them.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One setting, over the file, for instance `train.global_batch=8`; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl RunArgs {
    /// The settings these arguments stand for.
    ///
    /// # Errors
    ///
    /// As [`RunConfig::resolve`].
    pub fn resolve(&self) -> Result<RunConfig> {
        let given = self.model.is_some() || self.data.is_some();
        let overrides = Overrides {
            file: self.config.as_deref(),
            set: &self.set,
            flags: self.flags(),
        };
        RunConfig::resolve(given, &overrides)
    }

    /// What was typed as flags, under the names of the settings.
    fn flags(&self) -> Table {
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
        put(
            "backend",
            self.backend.map(|backend| Value::from(backend.name())),
        );
        put(
            "methods",
            list(self.method.iter().map(|m| Value::from(m.name())).collect()),
        );
        put("order", self.order.clone().map(Value::from));
        put(
            "seeds",
            list(self.seeds.iter().map(|&s| Value::from(s as i64)).collect()),
        );
        put("max_length", count(self.max_length));
        put("limit_train", count(self.limit_train));
        put("limit_test", count(self.limit_test));
        put("epochs", count(self.epochs));
        let osft = self.osft.table();
        put("osft", (!osft.is_empty()).then_some(Value::Table(osft)));
        if let Some(text) = path(&self.calibration_text) {
            let calibration = Table::from_iter([("text".to_string(), text)]);
            put("calibration", Some(Value::Table(calibration)));
        }
        if let Some(rate) = self.lr {
            let all = MethodName::value_variants().iter();
            let rates = all
                .map(|m| (m.name().to_string(), Value::from(rate)))
                .collect();
            put("learning_rates", Some(Value::Table(rates)));
        }
        flags
    }
}

/// Arguments of `pretrain`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  experiments pretrain --out my-base --documents 20000")]
pub struct PretrainArgs {
    /// Folder to write the model to, in Hugging Face layout; must not exist.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Documents of the mixture to train on, each seen once.
    #[arg(long, default_value_t = 400_000)]
    pub documents: usize,
    /// Seed of the mixture, the initial weights and the order of documents.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Peak learning rate.
    #[arg(long, default_value_t = 3e-3)]
    pub learning_rate: f64,
    /// Documents per step.
    #[arg(long, default_value_t = 64)]
    pub batch: usize,
    /// Tokens of the vocabulary.
    #[arg(long, default_value_t = 2048)]
    pub vocabulary: usize,
    /// Width of the hidden states.
    #[arg(long, default_value_t = 128)]
    pub hidden: usize,
    /// Number of blocks.
    #[arg(long, default_value_t = 4)]
    pub layers: usize,
    /// Where to compute.
    #[arg(long, value_enum, default_value = "flex")]
    pub backend: Backend,
}
