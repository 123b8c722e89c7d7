//! What can be typed.

mod run;
mod study;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::backend::Backend;
pub use run::{TraceArgs, ValidateArgs};
pub use study::{InspectArgs, PortabilityArgs, StudyCommand, StudyRunArgs};

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
    /// Look for flaws of a suite's rows: shared between splits, repeated, contradictory, unseen
    /// labels.
    Check(CheckArgs),
}

/// Arguments of `datasets check`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  experiments datasets check TRACE-Benchmark")]
pub struct CheckArgs {
    /// Folder of a suite in TRACE's layout.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Exit with an error if there is any flaw.
    #[arg(long)]
    pub strict: bool,
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
