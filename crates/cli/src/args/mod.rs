//! What can be typed.

mod evaluate;
mod fetch;
mod finetune;
mod generate;
mod inspect;
mod merge;
mod settings;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

pub use evaluate::EvaluateArgs;
pub use fetch::FetchArgs;
pub use finetune::{FinetuneArgs, PlanArgs, RowsArgs};
pub use generate::{ChatArgs, GenerateArgs, SamplingArgs};
pub use inspect::InspectArgs;
pub use merge::MergeArgs;

/// Teach a language model something new, forget little, and know what was lost.
#[derive(Debug, Parser)]
#[command(name = "osft", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Teach a model the rows of a file; a second task goes on from the output of the first.
    Finetune(Box<FinetuneArgs>),
    /// Show what is in a file of rows: lengths, what will be cut, flaws, and what is learned of the first row.
    Check(RowsArgs),
    /// Say what memory, disk and time a run will need, and what would need less.
    Plan(Box<PlanArgs>),
    /// Show what a split would protect in a model, layer by layer.
    Inspect(InspectArgs),
    /// Measure general ability by suites and plain text, alone or against the model before.
    Evaluate(EvaluateArgs),
    /// Fetch a model of the hub, or files by a list with their hashes.
    Fetch(FetchArgs),
    /// Answer one prompt, or those of a file.
    Generate(GenerateArgs),
    /// Talk to a model.
    Chat(ChatArgs),
    /// Put a LoRA adapter into the weights of its model.
    Merge(MergeArgs),
    /// Print completions for a shell.
    Completions(CompletionsArgs),
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    pub shell: Shell,
}

impl Cli {
    /// The files of rows that will be read.
    pub fn data(&self) -> Vec<PathBuf> {
        let rows = match &self.command {
            Command::Finetune(args) => &args.rows,
            Command::Check(args) => args,
            Command::Plan(args) => &args.rows,
            _ => return Vec::new(),
        };
        // A bad name is refused where the rows are read.
        let files = rows.data.iter();
        let sources = files.filter_map(|file| file.parse::<rows::Source>().ok());
        sources.map(|source| source.path).collect()
    }
}
