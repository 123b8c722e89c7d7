//! What can be typed.

mod bench;
mod curvature;
mod datasets;
mod registered;
mod run;
mod study;
mod sweep;

use std::path::PathBuf;

use clap::{ArgMatches, Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use runs::{Backend, Registries};

pub use bench::{BenchArgs, ScalingArgs};
pub use curvature::CurvatureArgs;
pub use datasets::{AssembleArgs, CheckArgs, DatasetsCommand, GenerateArgs, SuiteName, VerifyArgs};
pub use registered::{method_flags, typed_flags};
pub use run::{RunArgs, SequenceArgs, ValidateArgs};
pub use study::{InspectArgs, PortabilityArgs, StudyCommand};
pub use sweep::{CompareArgs, SweepArgs};

/// What most people come for, above the list of all commands.
const START: &str = "\
{about-with-newline}
Start here:
  experiments trace
      See what methods forget: a small built-in model learns eight small tasks, by plain fine-tuning,
      by OSFT with the paper's split, and by OSFT with a split that sees the layers' inputs
  experiments trace --model DIR --data DIR
      The same with your model and your tasks (`validate` with the same arguments checks them first)
  experiments t5 --preset paper --order 1,2,3 --model t5-large --data CL_Benchmark
      The paper's benchmarks: this one on T5, TRACE by `trace --preset trace-paper`

{usage-heading} {usage}

{all-args}{after-help}";

/// Continual learning of language models: learn tasks in sequence, measure what is forgotten.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true, help_template = START)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Pre-train a small base model on the built-in general mixture.
    Pretrain(PretrainArgs),
    /// Generate, assemble and check suites.
    #[command(subcommand)]
    Datasets(DatasetsCommand),
    /// Show backends, methods, optimizers, rules for the share, scores, suites and orders.
    List,
    /// Check model, data and settings of a run without starting it.
    Validate(ValidateArgs),
    /// Show finished runs side by side.
    Report(ReportArgs),
    /// Show what a split would protect in a model: spectra, importance, shares, free directions.
    Inspect(InspectArgs),
    /// Search learning rates and settings on validation rows, with as many trials for every method.
    Sweep(SweepArgs),
    /// Run every method with every seed, and report on all of them: figures, differences, curves.
    Compare(CompareArgs),
    /// Measure whether the loss is curved along the directions that a split protects.
    Curvature(CurvatureArgs),
    /// Compare many variants at many learning rates: what they keep against what they learn.
    #[command(subcommand)]
    Study(StudyCommand),
    /// Run the same small job on every backend and compare the results number by number.
    Portability(PortabilityArgs),
    /// Time training steps and measure their memory, every variant beside plain fine-tuning.
    Bench(BenchArgs),
    /// Show how time and memory grow with width, tokens, tasks and protected share, from measurements
    /// of `bench`.
    Scaling(ScalingArgs),
    /// Print a completion script for a shell.
    Completions(CompletionsArgs),
}

/// The command line for what there is to choose from.
pub fn command(registries: &Registries) -> clap::Command {
    registered::completed(Cli::command(), registries)
}

/// The folder of the rows that a command reads, where one is named.
pub fn data_of(matches: &ArgMatches) -> Option<PathBuf> {
    let (_, own) = matches.subcommand()?;
    own.try_get_one::<PathBuf>("data").ok().flatten().cloned()
}

/// The folder that a command writes, where one is named.
pub fn out_of(matches: &ArgMatches) -> Option<PathBuf> {
    let (_, own) = matches.subcommand()?;
    let out = own.try_get_one::<PathBuf>("out").ok().flatten();
    out.cloned().or_else(|| out_of(own))
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

/// Families of models that can be pre-trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FamilyName {
    /// Decoder-only.
    Llama,
    /// Encoder-decoder.
    T5,
}

/// A count of at least 1.
fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("expected a whole number of at least 1".to_string()),
    }
}

/// Arguments of `pretrain`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  experiments pretrain --out my-base --documents 20000
  experiments pretrain --family t5 --out my-t5
  experiments pretrain --family t5 --text my-mixture.jsonl --out my-t5 --epochs 3")]
pub struct PretrainArgs {
    /// Folder to write the model to, in Hugging Face layout; must not exist.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Family of the model.
    #[arg(long, value_enum, default_value = "llama")]
    pub family: FamilyName,
    /// File to train on instead of the built-in mixture: one text per line or, where its name ends in
    /// .jsonl, one {"text": …} or {"prompt": …, "answer": …}.
    #[arg(long, value_name = "FILE")]
    pub text: Option<PathBuf>,
    /// Documents to train on, at most.
    #[arg(long, default_value_t = 400_000, value_parser = positive)]
    pub documents: usize,
    /// Epochs over them.
    #[arg(long, default_value_t = 1, value_parser = positive)]
    pub epochs: usize,
    /// Seed of the mixture, the initial weights and the order of documents.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Peak learning rate.
    #[arg(long, default_value_t = 3e-3)]
    pub learning_rate: f64,
    /// Documents per step.
    #[arg(long, default_value_t = 64, value_parser = positive)]
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
