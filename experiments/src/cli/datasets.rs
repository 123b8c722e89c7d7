//! Arguments of `experiments datasets`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// What to do with the built-in suite.
#[derive(Debug, Subcommand)]
pub enum DatasetsCommand {
    /// Write the suite of a seed, with the hashes of its files.
    Generate(GenerateArgs),
    /// Make a suite of tasks of other suites, with so many rows of each.
    Assemble(AssembleArgs),
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
    /// Folder of a suite: TRACE, the CL benchmark, or one with a suite.json.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Exit with an error if there is any flaw.
    #[arg(long)]
    pub strict: bool,
}

/// Arguments of `datasets generate`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  experiments datasets generate --seed 1 --out my-suite\n  experiments datasets generate --suite t5 --out my-cl-suite"
)]
pub struct GenerateArgs {
    /// Folder to write to; must not exist.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Seed of all rows; 0 is the committed suite.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// The command whose built-in suite it is.
    #[arg(long, value_enum, default_value = "trace")]
    pub suite: SuiteName,
}

/// Suites that are built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SuiteName {
    /// That of `trace`: eight small tasks in TRACE's layout.
    Trace,
    /// That of `t5`: a miniature of the CL benchmark.
    T5,
}

/// Arguments of `datasets verify`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  experiments datasets verify datasets/builtin/suite")]
pub struct VerifyArgs {
    /// Folder with a SHA256SUMS.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// Arguments of `datasets assemble`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  experiments datasets assemble experiments/truth/recipe.toml --model SmolLM2-135M-Instruct \\
    --from cl=CL_Benchmark --expect experiments/truth/SHA256SUMS --out truth")]
pub struct AssembleArgs {
    /// TOML file: name, max_tokens, rows, orders, and tasks, each with the suite that it comes from.
    #[arg(value_name = "RECIPE")]
    pub recipe: PathBuf,
    /// A suite that the recipe takes tasks from: its name in the recipe, and its folder. May be repeated.
    #[arg(long, value_name = "NAME=DIR", value_parser = source, required = true)]
    pub from: Vec<(String, PathBuf)>,
    /// The model (a Hugging Face folder, a GGUF file, or a name on the hub) whose tokenizer counts the tokens of a row.
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// A SHA256SUMS that the files must agree with; otherwise nothing is written.
    #[arg(long, value_name = "FILE")]
    pub expect: Option<PathBuf>,
    /// Folder to write to; must not exist.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

fn source(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, folder)) if !name.is_empty() && !folder.is_empty() => {
            Ok((name.to_string(), PathBuf::from(folder)))
        }
        _ => Err("expected NAME=DIR, as in cl=CL_Benchmark".to_string()),
    }
}
