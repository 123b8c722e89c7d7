//! Arguments of the commands that compare: studies, backends, what a split sees in a model.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use measure::portability::HeldWeights;
use measure::study::Part;
use runs::Backend;

/// Arguments of `inspect`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  experiments inspect
  experiments inspect --model SmolLM2-135M --text notes.txt --energy 0.99
  experiments inspect --osft-split weights --share adaptive --out inspected
  experiments inspect --shares-by-loss 0.01 --out inspected   # then: trace --config inspected/shares.toml")]
pub struct InspectArgs {
    /// The model: a Hugging Face folder, a GGUF file, or a name on the hub [default: the built-in one].
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
    /// Parameters that are split, as regular expressions over their paths; may be repeated
    /// [default: the projections of attention and feed-forward].
    #[arg(long, value_name = "PATTERN")]
    pub target: Vec<String>,
    /// Leave out the truncation probe, which decomposes the model ten times.
    #[arg(long)]
    pub no_probe: bool,
    /// Find a share of the energy for every target: the smallest one of ten at which cutting its free directions costs
    /// at most so many nats per token; written as settings to shares.toml of --out.
    #[arg(long, value_name = "NATS", requires = "out")]
    pub shares_by_loss: Option<f64>,
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
  experiments study run plan.toml --out study --part 1/2 & experiments study run plan.toml --out study --part 2/2
  experiments study run plan.toml --set calibration.base=continued --out continued")]
pub struct StudyRunArgs {
    /// TOML file with title, rows, seeds, learning rates, settings of every run and the variants.
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Folder with one file per run; those that are there are not run again.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Only every N-th run, starting from number I: several processes share a plan.
    #[arg(long, value_name = "I/N")]
    pub part: Option<Part>,
    /// Runs that go on at the same time, each on a thread; the results are the same [default: one more
    /// than there are cores, if the model is small, computed on the processor and fits as often; otherwise 1].
    #[arg(long, value_name = "COUNT")]
    pub jobs: Option<NonZeroUsize>,
    /// Answer the general-knowledge probe too.
    #[arg(long)]
    pub general: bool,
    /// A setting of every run, over those of the plan; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
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
    /// The settings that it was run with, over those of the plan; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Arguments of `portability`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  experiments portability --backends ndarray,flex
  experiments portability --backends ndarray,flex,wgpu --strict --out portability
  experiments portability --backends flex,cuda --base-precision bf16
Only flex is built in: --features ndarray, wgpu or cuda of cargo adds the others.")]
pub struct PortabilityArgs {
    /// Backends to compare, separated by commas; the first one that runs is the reference
    /// [default: all].
    #[arg(long, value_enum, value_delimiter = ',')]
    pub backends: Vec<Backend>,
    /// Precision in which the weights of OSFT's core form are held.
    #[arg(long, value_enum, default_value = "full")]
    pub base_precision: HeldWeights,
    /// Fail if a backend is not there; it is listed as not run otherwise.
    #[arg(long)]
    pub strict: bool,
    /// Also write report.md and portability.json to this folder; must be empty or not exist.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}
